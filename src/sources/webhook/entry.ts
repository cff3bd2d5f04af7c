import { z } from 'zod'
import { type Form, oneWay, SecureAddress, split } from '../../base/config-forms.ts'
import type { ValueForms } from '../../base/source-entry.ts'
import { Reason } from '../../revocation/signal.ts'
import { commonMembers } from '../common/entry.ts'
import { PRESET_KINDS, PRESETS, type PresetKind } from './presets.ts'

/** The types of events that end a session, in place of the kind's own. */
export const Events = z
  .record(z.string().min(1).max(256), Reason)
  .refine((events) => Object.keys(events).length > 0, 'expected at least one type of event')

/** A sender may change its secret: as long as both are configured, either proves it. */
const SECRETS_AT_MOST = 5

/** What an entry says to prove its sender by. */
export function secretMembers({ given, inFile }: ValueForms, form: Form) {
  const isEachGood = (text: string) => {
    const secrets = split(text, /\n/)
    return secrets.length > 0 && secrets.length <= SECRETS_AT_MOST && secrets.every(form.isGood)
  }
  return {
    secret: given(form).optional().describe(`What proves the sender, or \${NAME}`),
    secrets: z
      .array(given(form))
      .min(1)
      .max(SECRETS_AT_MOST)
      .optional()
      .describe('Several of them, while one is replaced'),
    secretFile: inFile({ isGood: isEachGood, expected: form.expected })
      .optional()
      .describe('Path of a file that holds the secret, or several, one a line'),
  }
}
export const SECRET_WAYS = [['secret'], ['secrets'], ['secretFile']]

/** The secrets of an entry, wherever they stand. */
export function secretsOf(config: {
  secret?: string | undefined
  secrets?: string[] | undefined
  secretFile?: string | undefined
}): string[] {
  const { secret, secrets = [], secretFile = '' } = config
  return [...(secret === undefined ? [] : [secret]), ...secrets, ...split(secretFile, /\n/)]
}

function preset<K extends PresetKind>(kind: K, forms: ValueForms) {
  return z.strictObject({
    kind: z.literal(kind),
    ...commonMembers(),
    ...secretMembers(forms, PRESETS[kind].secret),
    events: Events.optional().describe(
      "Types of events that end a session, and why; the kind's own when left out",
    ),
  })
}

function fusionauth(forms: ValueForms) {
  const schema = preset('fusionauth', forms).extend({
    jwksUri: SecureAddress.optional().describe(
      'In place of a secret: where its public keys are, if it signs by RSA or EC',
    ),
  })
  return oneWay(schema, [...SECRET_WAYS, ['jwksUri']])
}

/** The entries of every vendor. */
export function presetEntries(forms: ValueForms) {
  const simple = PRESET_KINDS.filter((kind) => kind !== 'fusionauth')
  const entries = simple.map((kind) => oneWay(preset(kind, forms), SECRET_WAYS))
  return [fusionauth(forms), ...entries] as const
}
