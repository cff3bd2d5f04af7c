import { z } from 'zod'
import { oneWay } from '../../base/config-formats.ts'
import { requiredHeader, unproven, type Verify, type WebhookRequest } from './proof.ts'
import { ALGORITHMS, ENCODINGS, hmac, standardWebhooks, staticHeader } from './verifiers.ts'

const Header = z.string().regex(/^[A-Za-z0-9-]{1,128}$/, 'expected the name of a header')
const Pair = z.string().regex(/^\w{1,32}$/, 'expected the name of a pair, such as v1')

const Timestamp = oneWay(
  z.strictObject({
    header: Header.optional().describe('Header with the timestamp'),
    pair: Pair.optional().describe(
      'Name of the pair with the timestamp, if the signature header is a list of pairs',
    ),
    unit: z.enum(['s', 'ms']).default('s').describe('Unit of the timestamp since the epoch'),
    toleranceSeconds: z
      .int()
      .min(1)
      .max(3_600)
      .default(300)
      .describe('Maximum difference from the current time'),
  }),
  [['header'], ['pair']],
)

const Hmac = z
  .strictObject({
    scheme: z.literal('hmac'),
    header: Header.describe('Header with the signature'),
    pair: Pair.optional().describe(
      'Name of the pair with the signature, if the header is a list such as t=…,v1=…',
    ),
    algorithm: z.enum(ALGORITHMS).default('sha256'),
    encoding: z.enum(ENCODINGS).default('hex'),
    prefix: z.string().max(32).default('').describe('Prefix of the signature, such as sha256='),
    signed: z
      .string()
      .max(256)
      .default('{body}')
      .describe('The signed text: {body}, and {timestamp} if there is one, such as {timestamp}.{body}'),
    timestamp: Timestamp.optional(),
  })
  .refine(
    ({ signed, timestamp }) =>
      signed.split('{body}').length === 2 &&
      signed.split('{timestamp}').length === (timestamp === undefined ? 1 : 2),
    {
      path: ['signed'],
      error: 'expected {body} once, and {timestamp} once if timestamp is set',
    },
  )
  .refine(({ pair, timestamp }) => pair !== undefined || timestamp?.pair === undefined, {
    path: ['pair'],
    error: 'expected the name of the pair with the signature, because timestamp.pair is set',
  })
type Hmac = z.infer<typeof Hmac>

const Static = z.strictObject({
  scheme: z.literal('static'),
  header: Header.default('Authorization').describe('Header with the secret, with or without Bearer'),
})

const StandardWebhooks = z.strictObject({ scheme: z.literal('standard-webhooks') })

/** How the requests of a `generic` source are authenticated, as described in its entry. */
export const DescribedProof = z.discriminatedUnion('scheme', [Hmac, Static, StandardWebhooks])
export type DescribedProof = z.infer<typeof DescribedProof>

/** Whether each request contains a signed time. */
export function isTimed(proof: DescribedProof): boolean {
  return proof.scheme === 'standard-webhooks' || (proof.scheme === 'hmac' && proof.timestamp !== undefined)
}

export function verifierOf(proof: DescribedProof, secrets: readonly string[]): Verify {
  if (proof.scheme === 'static') return staticHeader(proof.header, secrets)
  if (proof.scheme === 'standard-webhooks') return standardWebhooks(secrets)
  const { algorithm, encoding, signed, timestamp } = proof
  const clock = timestamp && {
    unitMs: timestamp.unit === 's' ? 1_000 : 1,
    toleranceMs: timestamp.toleranceSeconds * 1_000,
  }
  const read = (headers: WebhookRequest['headers']) => readProof(proof, headers)
  return hmac({ read, algorithm, encoding, signed, clock: clock ?? null }, secrets)
}

/** During a rotation, a sender signs with two secrets. More signatures are not tried. */
const MAX_SIGNATURES = 5

function readProof({ header, pair, prefix, timestamp }: Hmac, headers: WebhookRequest['headers']) {
  const value = requiredHeader(headers, header)
  const found = pair === undefined ? [value] : valuesOf(value, pair)
  const signatures = found
    .filter((one) => one.startsWith(prefix))
    .slice(0, MAX_SIGNATURES)
    .map((one) => one.slice(prefix.length))
  if (signatures.length === 0) throw unproven(`The header ${header} does not have the configured format.`)
  if (timestamp?.header !== undefined)
    return { signatures, timestamp: requiredHeader(headers, timestamp.header) }
  if (timestamp?.pair === undefined) return { signatures }
  const [signedAt, ...others] = valuesOf(value, timestamp.pair)
  if (signedAt === undefined || others.length > 0)
    throw unproven(`Expected one ${timestamp.pair}=… in the header ${header}.`)
  return { signatures, timestamp: signedAt }
}

/** The values for a name in a list of pairs such as `t=1492774577,v1=5257a8…`. */
function valuesOf(list: string, name: string): string[] {
  return list
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1))
}
