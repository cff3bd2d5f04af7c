import { z } from 'zod'
import { backChannelLogout } from './oidc-back-channel.ts'
import type { ValueForms } from './source-schema.ts'
import { presetEntries } from './webhook/entry.ts'
import { generic } from './webhook/generic.ts'

/** The schema of an entry in `sources`, of every kind that there is. A further kind is a line here and a file. */
export function sourceSchema(forms: ValueForms) {
  return z.discriminatedUnion('kind', [backChannelLogout(), ...presetEntries(forms), generic(forms)], {
    error: 'expected an object with one of the kinds of sources as its kind',
  })
}
export type SourceConfig = z.infer<ReturnType<typeof sourceSchema>>
export type SourceKind = SourceConfig['kind']
