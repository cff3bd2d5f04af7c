import { z } from 'zod'
import { type Format, oneWay, SecureAddress, split } from '../../base/config-formats.ts'
import type { ValueSchemas } from '../../base/source-entry.ts'
import { Reason } from '../../revocation/signal.ts'
import { commonMembers } from '../common/entry.ts'
import { PRESET_KINDS, PRESETS, type PresetKind } from './presets.ts'

/** Event types that end a session, instead of the kind's own. */
export const Events = z
  .record(z.string().min(1).max(256), Reason)
  .refine((events) => Object.keys(events).length > 0, 'expected at least one event type')

/** During a rotation, several secrets are configured; the sender may use any of them. */
const MAX_SECRETS = 5

/** The members of an entry with the secrets that authenticate its sender. */
export function secretMembers({ inline, fromFile }: ValueSchemas, format: Format) {
  const areValid = (text: string) => {
    const secrets = split(text, /\n/)
    return secrets.length > 0 && secrets.length <= MAX_SECRETS && secrets.every(format.isValid)
  }
  return {
    secret: inline(format).optional().describe(`Secret that authenticates the sender, or \${NAME}`),
    secrets: z
      .array(inline(format))
      .min(1)
      .max(MAX_SECRETS)
      .optional()
      .describe('Several secrets, during a rotation'),
    secretFile: fromFile({ isValid: areValid, expected: format.expected })
      .optional()
      .describe('Path of a file with the secret, or with several, one per line'),
  }
}
export const SECRET_WAYS = [['secret'], ['secrets'], ['secretFile']]

/** The secrets of an entry, from whichever member has them. */
export function secretsOf(config: {
  secret?: string | undefined
  secrets?: string[] | undefined
  secretFile?: string | undefined
}): string[] {
  const { secret, secrets = [], secretFile = '' } = config
  return [...(secret === undefined ? [] : [secret]), ...secrets, ...split(secretFile, /\n/)]
}

function preset<K extends PresetKind>(kind: K, values: ValueSchemas) {
  return z.strictObject({
    kind: z.literal(kind),
    ...commonMembers(),
    ...secretMembers(values, PRESETS[kind].secret),
    events: Events.optional().describe(
      'Event types that end a session, and the reason; the default depends on the kind',
    ),
  })
}

function fusionauth(values: ValueSchemas) {
  const schema = preset('fusionauth', values).extend({
    jwksUri: SecureAddress.optional().describe(
      'Address of its public keys, instead of a secret, if it signs with RSA or EC',
    ),
  })
  return oneWay(schema, [...SECRET_WAYS, ['jwksUri']])
}

/** The entries of every vendor. */
export function presetEntries(values: ValueSchemas) {
  const simple = PRESET_KINDS.filter((kind) => kind !== 'fusionauth')
  const entries = simple.map((kind) => oneWay(preset(kind, values), SECRET_WAYS))
  return [fusionauth(values), ...entries] as const
}
