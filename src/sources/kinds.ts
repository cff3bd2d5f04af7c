import { z } from 'zod'
import { backChannelLogout } from './back-channel-logout/logout-token.ts'
import type { ValueForms } from './common/entry.ts'
import { globalTokenRevocation } from './global-token-revocation/revocation-token.ts'
import { sharedSignals } from './shared-signals/entry.ts'
import { presetEntries } from './webhook/entry.ts'
import { generic } from './webhook/generic.ts'

/** The schema of an entry in `sources`, of every kind that there is. A further kind is a line here and a file. */
export function sourceSchema(forms: ValueForms) {
  const tokens = [backChannelLogout(), globalTokenRevocation(), sharedSignals(forms)] as const
  return z.discriminatedUnion('kind', [...tokens, ...presetEntries(forms), generic(forms)], {
    error: ({ code }) =>
      code === 'invalid_union' ? 'expected one of the kinds that docs/sources/README.md lists' : undefined,
  })
}
export type SourceConfig = z.infer<ReturnType<typeof sourceSchema>>
export type SourceKind = SourceConfig['kind']
