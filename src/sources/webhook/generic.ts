import { z } from 'zod'
import { FORMATS, oneWay } from '../../base/config-formats.ts'
import type { ValueSchemas } from '../../base/source-entry.ts'
import { UserKind } from '../../revocation/signal.ts'
import { commonMembers, Template } from '../common/entry.ts'
import { DescribedProof, isTimed, verifierOf } from './described-proof.ts'
import { Events, SECRET_WAYS, secretMembers, secretsOf } from './entry.ts'
import { listAt, oneOrMany, type Preset } from './preset.ts'

const Pointer = z
  .string()
  .max(256)
  .regex(/^(\/([^~/]|~[01])*)+$/, 'expected a JSON Pointer, such as /data/events')

type SecretTexts = Parameters<typeof secretsOf>[0]

/** A secret of Standard Webhooks is base64. Decoded from other text, the key could be empty. */
function hasValidSecrets({ proof, ...entry }: { proof: DescribedProof } & SecretTexts): boolean {
  return proof.scheme !== 'standard-webhooks' || secretsOf(entry).every(FORMATS.svixSecret.isValid)
}

/** Without any of these, a user's second logout would look like a repetition of the first. */
function distinguishesLogouts({
  proof,
  id,
  occurredAt,
}: {
  proof: DescribedProof
  id?: unknown
  occurredAt?: unknown
}): boolean {
  return isTimed(proof) || id !== undefined || occurredAt !== undefined
}

/** A service without its own kind: the entry describes its webhooks. */
export function generic(values: ValueSchemas) {
  const schema = z.strictObject({
    kind: z.literal('generic'),
    ...commonMembers(),
    ...secretMembers(values, FORMATS.sharedSecret),
    proof: DescribedProof.describe('How its requests are authenticated'),
    items: Pointer.optional().describe(
      'Location of the list of events in the body; by default the body itself',
    ),
    type: Template.describe('Template of the event type, such as {type}'),
    events: Events.describe('Event types that end a session, and the reason'),
    user: z
      .strictObject({
        as: UserKind.describe('How Qlik identifies the user'),
        from: Template.describe("Template of the user's identifier, such as {/data/user_id}"),
      })
      .describe('How a subject maps to a Qlik user'),
    occurredAt: Pointer.optional().describe(
      'Location of the time in an event (ISO 8601, or seconds or milliseconds since the epoch); by default now',
    ),
    id: Template.optional().describe('Template of the delivery id in the body, which recognizes repetitions'),
  })
  return oneWay(schema, SECRET_WAYS)
    .refine(hasValidSecrets, {
      path: ['proof'],
      error: 'expected whsec_ and 24 to 64 bytes in base64 as the secret of standard-webhooks',
    })
    .refine(
      distinguishesLogouts,
      'expected id, occurredAt or a timestamp in proof: without one, a second logout looks like the first',
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
