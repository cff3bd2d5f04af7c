import { createHash, createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import type { Reason, UserReference } from '../../src/revocation/signal.ts'
import type { WebhookKind } from '../../src/sources/webhook/endpoint.ts'

/** What a vendor does to a request before it sends it. */
export type Sign = (body: string, options: { secret: string; at: number }) => Promise<Headers> | Headers
type Headers = Record<string, string>

/** A vendor as the tests play it: its documented body, and its way to prove it. */
export interface Vendor {
  kind: WebhookKind
  secret: string
  otherSecret: string
  /** Members of the entry besides name, kind and secret. */
  entry?: object
  /** The documented body of an event that ends a session; `id` tells deliveries apart. */
  sample: (id: string) => unknown
  expected: { user: UserReference; reason: Reason; occurredAt?: string }
  sign: Sign
  /** Header that holds the signature, and the one with the id where that is signed. */
  proofHeader: string
  /** How far from now a timestamp may be, in seconds; null where none is signed. */
  toleranceSeconds: number | null
  answer: number
  /** Whether one good signature is enough beside a bad one. */
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

let serial = 0
const svix: Sign = (body, { secret, at }) => {
  const id = `msg_${++serial}`
  const date = new Date(at)
  return {
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at / 1000)),
    'svix-signature': new SvixWebhook(secret).sign(id, date, body),
  }
}
const standard: Sign = (body, { secret, at }) => {
  const id = `msg_${++serial}`
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at / 1000)),
    'webhook-signature': new StandardWebhook(secret.replace('v1,', '')).sign(id, new Date(at), body),
  }
}
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
    sample: (id) => ({
      data: {
        abandon_at: 1661861640000,
        client_id: 'client_29wBArHzKDzhYyRGk5FSgVvYkUF',
        created_at: 1654012840000,
        expire_at: 1654617640000,
        id: `sess_${id}`,
        last_active_at: 1654012840000,
        object: 'session',
        status: 'ended',
        updated_at: 1654012843000,
        user_id: 'user_29w83sxmDNGwOuEthce5gg56FcC',
      },
      event_attributes: { http_request: { client_ip: '0.0.0.0', user_agent: 'Mozilla/5.0' } },
      instance_id: 'ins_123',
      object: 'event',
      timestamp: 1654012843000,
      type: 'session.ended',
    }),
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
    sample: (id) => ({
      action: 'DELETE',
      event_id: `webhook-event-test-${id}`,
      id: 'user-test-00000000-0000-0000-0000-000000000000',
      object_type: 'user',
      project_id: 'project-test-00000000-0000-0000-0000-000000000000',
      source: 'DASHBOARD',
      timestamp: '2024-11-21T06:47:49.555247073Z',
      vertical: 'CONSUMER',
    }),
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
    sample: (id) => ({
      type: 'DELETE',
      table: 'sessions',
      schema: 'auth',
      record: null,
      old_record: { id, user_id: '8ccaa7af-909f-44e7-84cb-67cdccb56be6', aal: 'aal1', ip: '192.0.2.1' },
    }),
    expected: { user: subject('8ccaa7af-909f-44e7-84cb-67cdccb56be6'), reason: 'logout' },
    sign: standard,
    proofHeader: 'webhook-signature',
    answer: 200,
  },
  {
    kind: 'workos',
    ...SHARED,
    sample: (id) => ({
      event: 'session.revoked',
      id: `event_${id}`,
      data: {
        object: 'session',
        id: 'session_01HSCBECW0D7AY8CA45AYKA64G',
        user_id: 'user_01HQGXWZW8BSHRG3HVK2QF7XBX',
        organization_id: 'org_01HQHCBRRAVQ7N3PX81VKAYXSX',
        ip_address: '192.0.2.1',
        user_agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)',
        created_at: '2024-03-19T21:56:25.080Z',
        updated_at: '2024-03-19T21:56:25.080Z',
      },
      created_at: '2024-03-19T21:56:25.080Z',
    }),
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
    sample: (id) => ({
      eventType: 'com.okta.event_hook',
      eventTypeVersion: '1.0',
      cloudEventsVersion: '0.1',
      eventId: id,
      eventTime: '2019-03-27T16:59:53.032Z',
      source: 'https://example.okta.com/api/v1/eventHooks/whoql0HfiLGPWc8Jx0g3',
      contentType: 'application/json',
      data: {
        events: [
          {
            version: '0',
            severity: 'INFO',
            actor: { id: '00uAdmin', type: 'User', alternateId: 'admin@example.com', displayName: 'Admin' },
            outcome: { result: 'SUCCESS' },
            uuid: 'f790999f-fe87-467a-9880-6982a583986c',
            published: '2018-03-28T22:23:07.777Z',
            eventType: 'user.lifecycle.deactivate',
            displayMessage: 'Deactivate Okta user',
            target: [
              { id: '0oaApp', type: 'AppInstance', alternateId: 'Qlik', displayName: 'Qlik' },
              {
                id: '00u1qw6mqitPHM8AJ0g7',
                type: 'User',
                alternateId: 'ada@example.com',
                displayName: 'Ada',
              },
            ],
          },
        ],
      },
    }),
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
    sample: (id) => [
      {
        log_id: id,
        data: {
          date: '2020-01-29T17:26:50.193Z',
          type: 'slo',
          description: 'https://example.com',
          connection_id: '',
          client_id: 'AaiyAPdpYdesoKnqjj8HJqRn4T5titww',
          client_name: 'My application Name',
          ip: '190.257.209.19',
          hostname: '190.257.209.19',
          user_id: 'auth0|56c75c4e42b6359e98374bc2',
          user_name: 'ada@example.com',
          log_id: id,
        },
      },
    ],
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
    sample: (id) => ({
      event: {
        createInstant: 1505762615056,
        id,
        info: { ipAddress: '42.42.42.42', userAgent: 'Mozilla/5.0' },
        tenantId: 'e872a880-b14f-6d62-c312-cb40f22af465',
        type: 'user.deactivate',
        user: {
          active: false,
          email: 'example@fusionauth.io',
          id: '00000000-0000-0001-0000-000000000000',
          tenantId: 'e872a880-b14f-6d62-c312-cb40f22af465',
        },
      },
    }),
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
    sample: (id) => ({
      time: 1711651627565,
      realmId: '7a11ef96-d5ef-4bfe-beb8-a5d81f9de464',
      uid: id,
      authDetails: {
        realmId: 'acme',
        clientId: 'acme-app',
        userId: '88251cc6-7408-4b31-a4c7-b2840d99b916',
        ipAddress: '192.0.2.1',
        username: 'ada@example.com',
        sessionId: '3cd8d025-d5d4-4ff2-82d3-a9c552ba422c',
      },
      type: 'access.LOGOUT',
      details: { redirect_uri: 'https://app.example.com/' },
    }),
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
    sample: (id) => ({
      id,
      time: '2018-10-30T07:06:22Z',
      type: 'com.qlik.user.deleted',
      source: 'com.qlik/users',
      specversion: '1.0.2',
      datacontenttype: 'application/json',
      userid: 'id-of-the-admin',
      tenantid: 'tenant',
      data: { id: '605a18af2ab08cdbfad09259', tenantId: 'tenant', subject: 'auth0|ada' },
    }),
    expected: {
      user: { kind: 'userId', value: '605a18af2ab08cdbfad09259' },
      reason: 'security',
      occurredAt: '2018-10-30T07:06:22.000Z',
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
    sample: (id) => ({ id, kind: 'signed-out', at: 1711651627, who: { mail: 'ada@example.com' } }),
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
