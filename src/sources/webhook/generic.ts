import { z } from 'zod'
import { FORMS, oneWay } from '../../config-forms.ts'
import { UserKind } from '../../revocation/signal.ts'
import { COMMON, Template, type ValueForms } from '../source-schema.ts'
import { Events, SECRET_WAYS, secretMembers, secretsOf } from './entry.ts'
import { listAt, oneOrMany, type Preset } from './preset.ts'
import { requiredHeader, unproven, type Verify } from './proof.ts'
import { ALGORITHMS, ENCODINGS, hmac, standardWebhooks, staticHeader } from './verifiers.ts'

const Header = z.string().regex(/^[A-Za-z0-9-]{1,128}$/, 'expected the name of a header')
const Pointer = z
  .string()
  .max(256)
  .regex(/^(\/([^~/]|~[01])*)+$/, 'expected a JSON Pointer, as /data/events')

const Timestamp = z.strictObject({
  header: Header.describe('Header that holds it'),
  unit: z.enum(['s', 'ms']).default('s').describe('What it counts since the epoch'),
  toleranceSeconds: z.int().min(1).max(3_600).default(300).describe('How far from now it may be'),
})

const Hmac = z
  .strictObject({
    scheme: z.literal('hmac'),
    header: Header.describe('Header that holds the signature'),
    algorithm: z.enum(ALGORITHMS).default('sha256'),
    encoding: z.enum(ENCODINGS).default('hex'),
    prefix: z.string().max(32).default('').describe('What stands before the signature, as sha256='),
    signed: z
      .string()
      .max(256)
      .default('{body}')
      .describe('What is signed: {body}, and {timestamp} where there is one, as {timestamp}.{body}'),
    timestamp: Timestamp.optional(),
  })
  .refine(
    ({ signed, timestamp }) =>
      signed.split('{body}').length === 2 &&
      signed.split('{timestamp}').length === (timestamp === undefined ? 1 : 2),
    {
      path: ['signed'],
      error: 'expected {body} once, and {timestamp} once if and only if there is a timestamp',
    },
  )

const Static = z.strictObject({
  scheme: z.literal('static'),
  header: Header.default('Authorization').describe('Header that holds the secret, bare or after Bearer'),
})

const StandardWebhooks = z.strictObject({ scheme: z.literal('standard-webhooks') })

const Proof = z.discriminatedUnion('scheme', [Hmac, Static, StandardWebhooks])
type Proof = z.infer<typeof Proof>

type SecretTexts = Parameters<typeof secretsOf>[0]

/** A key of Standard Webhooks is bytes, in base64: another text would be no secret at all. */
function isProvable({ proof, ...entry }: { proof: Proof } & SecretTexts): boolean {
  return proof.scheme !== 'standard-webhooks' || secretsOf(entry).every(FORMS.svixSecret.isGood)
}

/** Without any of these the second logout of a user would look like the first one, sent again. */
function tellsApart({
  proof,
  id,
  occurredAt,
}: {
  proof: Proof
  id?: unknown
  occurredAt?: unknown
}): boolean {
  const isTimed =
    proof.scheme === 'standard-webhooks' || (proof.scheme === 'hmac' && proof.timestamp !== undefined)
  return isTimed || id !== undefined || occurredAt !== undefined
}

/** A service of which there is no kind, described in the entry itself. */
export function generic(forms: ValueForms) {
  const schema = z.strictObject({
    kind: z.literal('generic'),
    ...COMMON,
    ...secretMembers(forms, FORMS.sharedSecret),
    proof: Proof.describe('How its requests are proven'),
    items: Pointer.optional().describe('Where a body has its list of events; the body itself when left out'),
    type: Template.describe('The type of an event, as {type}'),
    events: Events.describe('Types of events that end a session, and why'),
    user: z
      .strictObject({
        as: UserKind.describe('What Qlik knows the user by'),
        from: Template.describe('The text that it is, as {/data/user_id}'),
      })
      .describe('How its subject becomes a Qlik user'),
    occurredAt: Pointer.optional().describe(
      'Where an event says when it was: ISO 8601, or seconds or milliseconds since the epoch; now when left out',
    ),
    id: Template.optional().describe('Id of a delivery in its body, by which a repetition is recognized'),
  })
  return oneWay(schema, SECRET_WAYS)
    .refine(isProvable, {
      path: ['proof'],
      error: 'expected whsec_ and 24 to 64 bytes in base64 as the secret of standard-webhooks',
    })
    .refine(
      tellsApart,
      'expected id, occurredAt, or a timestamp in proof: else a second logout looks like the first',
    )
}
export type GenericConfig = z.infer<ReturnType<typeof generic>>

/** The preset that an entry describes. */
export function genericPreset({ proof, items, type, events, user, occurredAt, id }: GenericConfig): Preset {
  return {
    verifier: ({ secrets }) => verifierOf(proof, secrets),
    items: items === undefined ? oneOrMany : listAt(items),
    lines: items === undefined,
    type,
    events,
    user,
    ...(occurredAt === undefined ? {} : { occurredAt }),
    ids: id === undefined ? [] : [id],
    answer: 204,
  }
}

function verifierOf(proof: Proof, secrets: readonly string[]): Verify {
  if (proof.scheme === 'static') return staticHeader(proof.header, secrets)
  if (proof.scheme === 'standard-webhooks') return standardWebhooks(secrets)
  const { header, prefix, algorithm, encoding, signed, timestamp } = proof
  const read = (headers: NodeJS.Dict<string[]>) => {
    const value = requiredHeader(headers, header)
    if (!value.startsWith(prefix)) throw unproven(`The header ${header} does not begin as it should.`)
    const signature = value.slice(prefix.length)
    return timestamp ? { signature, timestamp: requiredHeader(headers, timestamp.header) } : { signature }
  }
  const clock = timestamp && {
    unitMs: timestamp.unit === 's' ? 1_000 : 1,
    toleranceMs: timestamp.toleranceSeconds * 1_000,
  }
  return hmac({ read, algorithm, encoding, signed, clock: clock ?? null }, secrets)
}
