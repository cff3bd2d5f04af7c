import { createHash, createHmac, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { signWebhook } from '../../base/standard-webhooks.ts'
import type { Reason, UserReference } from '../../revocation/signal.ts'
import * as SAMPLES from './vendor-samples.ts'

/** The kinds of sources that a vendor calls. */
export type VendorKind =
  | 'clerk'
  | 'stytch'
  | 'supabase'
  | 'workos'
  | 'okta-event-hook'
  | 'auth0-log-stream'
  | 'fusionauth'
  | 'keycloak'
  | 'qlik'
  | 'generic'

/** How a vendor signs a request. */
export type Sign = (body: string, options: { secret: string; at: number }) => Promise<Headers> | Headers
type Headers = Record<string, string>

/** A simulated vendor: its documented body and its signature. */
export interface Vendor {
  kind: VendorKind
  secret: string
  otherSecret: string
  /** Members of the entry other than name, kind and secret. */
  entry?: object
  sample: SAMPLES.Sample
  expected: { user: UserReference; reason: Reason; occurredAt?: string }
  sign: Sign
  /** The header with the signature, and the one with the id if that is signed. */
  proofHeader: string
  /** The tolerance of the timestamp, in seconds; null if none is signed. */
  toleranceSeconds: number | null
  answer: number
  /** Whether one valid signature is enough in addition to an invalid one. */
  takesOneOfTwo?: boolean
}

const SVIX = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  otherSecret: `whsec_${Buffer.alloc(32, 9).toString('base64')}`,
  toleranceSeconds: 300,
  takesOneOfTwo: true,
}
const SHARED = {
  secret: 'a-shared-secret-of-32-characters',
  otherSecret: 'another-secret-of-32-characters!',
  toleranceSeconds: null,
}

/** Supabase shows the secret with the version of the signature before it. */
const standard: Sign = (body, { secret, at }) =>
  signWebhook({ secret: secret.replace('v1,', ''), id: `msg_${randomUUID()}`, body, now: at })
const svix: Sign = async (body, options) =>
  Object.fromEntries(
    Object.entries(await standard(body, options)).map(([name, value]) => [
      name.replace('webhook-', 'svix-'),
      value,
    ]),
  )
const mac = (secret: string, text: string) => createHmac('sha256', secret).update(text).digest('hex')
const authorization: Sign = (_body, { secret }) => ({ authorization: secret })
const hexHeader =
  (name: string): Sign =>
  (body, { secret }) => ({ [name]: mac(secret, body) })

/** https://fusionauth.io/docs/extend/events-and-webhooks/signing */
const fusionAuthToken: Sign = async (body, { secret, at }) => ({
  'x-fusionauth-signature-jwt': await new SignJWT({
    request_body_sha256: createHash('sha256').update(body).digest('base64'),
  })
    .setProtectedHeader({ alg: 'HS256', kid: 'ae6ae5ec0c', typ: 'JWT' })
    .setIssuedAt(Math.floor(at / 1000))
    .sign(Buffer.from(secret)),
})

const subject = (value: string): UserReference => ({ kind: 'subject', value })

export const VENDORS: readonly Vendor[] = [
  {
    kind: 'clerk',
    ...SVIX,
    sample: SAMPLES.clerk,
    expected: {
      user: subject('user_29w83sxmDNGwOuEthce5gg56FcC'),
      reason: 'logout',
      occurredAt: '2022-05-31T16:00:43.000Z',
    },
    sign: svix,
    proofHeader: 'svix-signature',
    answer: 204,
  },
  {
    kind: 'stytch',
    ...SVIX,
    sample: SAMPLES.stytch,
    expected: {
      user: subject('user-test-00000000-0000-0000-0000-000000000000'),
      reason: 'security',
      occurredAt: '2024-11-21T06:47:49.555Z',
    },
    sign: svix,
    proofHeader: 'svix-signature',
    answer: 204,
  },
  {
    kind: 'supabase',
    ...SVIX,
    secret: `v1,${SVIX.secret}`,
    otherSecret: `v1,${SVIX.otherSecret}`,
    sample: SAMPLES.supabase,
    expected: { user: subject('8ccaa7af-909f-44e7-84cb-67cdccb56be6'), reason: 'logout' },
    sign: standard,
    proofHeader: 'webhook-signature',
    answer: 200,
  },
  {
    kind: 'workos',
    ...SHARED,
    sample: SAMPLES.workos,
    expected: {
      user: subject('user_01HQGXWZW8BSHRG3HVK2QF7XBX'),
      reason: 'logout',
      occurredAt: '2024-03-19T21:56:25.080Z',
    },
    sign: (body, { secret, at }) => ({ 'workos-signature': `t=${at}, v1=${mac(secret, `${at}.${body}`)}` }),
    proofHeader: 'workos-signature',
    toleranceSeconds: 180,
    answer: 200,
  },
  {
    kind: 'okta-event-hook',
    ...SHARED,
    sample: SAMPLES.oktaEventHook,
    expected: {
      user: subject('00u1qw6mqitPHM8AJ0g7'),
      reason: 'security',
      occurredAt: '2018-03-28T22:23:07.777Z',
    },
    sign: authorization,
    proofHeader: 'authorization',
    answer: 204,
  },
  {
    kind: 'auth0-log-stream',
    ...SHARED,
    sample: SAMPLES.auth0LogStream,
    expected: {
      user: subject('auth0|56c75c4e42b6359e98374bc2'),
      reason: 'logout',
      occurredAt: '2020-01-29T17:26:50.193Z',
    },
    sign: authorization,
    proofHeader: 'authorization',
    answer: 204,
  },
  {
    kind: 'fusionauth',
    ...SHARED,
    sample: SAMPLES.fusionauth,
    expected: {
      user: subject('00000000-0000-0001-0000-000000000000'),
      reason: 'security',
      occurredAt: '2017-09-18T19:23:35.056Z',
    },
    sign: fusionAuthToken,
    proofHeader: 'x-fusionauth-signature-jwt',
    answer: 200,
  },
  {
    kind: 'keycloak',
    ...SHARED,
    sample: SAMPLES.keycloak,
    expected: {
      user: subject('88251cc6-7408-4b31-a4c7-b2840d99b916'),
      reason: 'logout',
      occurredAt: '2024-03-28T18:47:07.565Z',
    },
    sign: hexHeader('x-keycloak-signature'),
    proofHeader: 'x-keycloak-signature',
    answer: 204,
  },
  {
    kind: 'qlik',
    ...SHARED,
    sample: SAMPLES.qlik,
    expected: {
      user: { kind: 'userId', value: 'TiQ8GPVr8qI714Lp5ChAAFFaU24MJy69' },
      reason: 'security',
      occurredAt: '2025-04-21T13:45:30.000Z',
    },
    sign: hexHeader('qlik-signature'),
    proofHeader: 'qlik-signature',
    answer: 204,
  },
  {
    kind: 'generic',
    ...SHARED,
    entry: {
      proof: {
        scheme: 'hmac',
        header: 'X-Signature',
        algorithm: 'sha512',
        encoding: 'base64',
        prefix: 'sha512=',
        signed: '{timestamp}.{body}',
        timestamp: { header: 'X-Timestamp' },
      },
      type: '{kind}',
      events: { 'signed-out': 'logout' },
      user: { as: 'email', from: '{/who/mail}' },
      occurredAt: '/at',
      id: '{id}',
    },
    sample: SAMPLES.generic,
    expected: {
      user: { kind: 'email', value: 'ada@example.com' },
      reason: 'logout',
      occurredAt: '2024-03-28T18:47:07.000Z',
    },
    sign: (body, { secret, at }) => {
      const seconds = Math.floor(at / 1000)
      const digest = createHmac('sha512', secret).update(`${seconds}.${body}`).digest('base64')
      return { 'x-timestamp': String(seconds), 'x-signature': `sha512=${digest}` }
    },
    proofHeader: 'x-signature',
    toleranceSeconds: 300,
    answer: 204,
  },
]
