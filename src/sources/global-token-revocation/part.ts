import { ConfiguredSources } from '../common/configured-sources.ts'
import type { SourcePart } from '../common/part.ts'
import { keysOf, openIssuer } from '../token/issuer-source.ts'
import { createTakeGlobalRevocation, RevocationEntry, type RevocationSource } from './revocation-token.ts'
import { globalTokenRevocationRoute } from './route.ts'

/** OAuth Global Token Revocation, and Okta's Universal Logout. */
export const globalTokenRevocation: SourcePart<RevocationEntry> = {
  kinds: ['global-token-revocation'],
  entries: () => [RevocationEntry],
  open(context) {
    const sources = new ConfiguredSources<RevocationSource>((config, previous) =>
      openIssuer(config, previous, { ...context, wellKnown: 'openid-configuration' }),
    )
    return {
      routes: globalTokenRevocationRoute(sources, createTakeGlobalRevocation(context)),
      replace: (entries) => sources.replace(entries),
      keys: () => sources.all().map(keysOf),
    }
  },
}
