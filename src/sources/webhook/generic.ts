import { z } from 'zod'
import { FORMS, oneWay } from '../../base/config-forms.ts'
import type { ValueForms } from '../../base/source-entry.ts'
import { UserKind } from '../../revocation/signal.ts'
import { commonMembers, Template } from '../common/entry.ts'
import { DescribedProof, isTimed, verifierOf } from './described-proof.ts'
import { Events, SECRET_WAYS, secretMembers, secretsOf } from './entry.ts'
import { listAt, oneOrMany, type Preset } from './preset.ts'

const Pointer = z
  .string()
  .max(256)
  .regex(/^(\/([^~/]|~[01])*)+$/, 'expected a JSON Pointer, as /data/events')

type SecretTexts = Parameters<typeof secretsOf>[0]

/** A key of Standard Webhooks is bytes, in base64: another text would be no secret at all. */
function isProvable({ proof, ...entry }: { proof: DescribedProof } & SecretTexts): boolean {
  return proof.scheme !== 'standard-webhooks' || secretsOf(entry).every(FORMS.svixSecret.isGood)
}

/** Without any of these the second logout of a user would look like the first one, sent again. */
function tellsApart({
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

/** A service of which there is no kind, described in the entry itself. */
export function generic(forms: ValueForms) {
  const schema = z.strictObject({
    kind: z.literal('generic'),
    ...commonMembers(),
    ...secretMembers(forms, FORMS.sharedSecret),
    proof: DescribedProof.describe('How its requests are proven'),
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
