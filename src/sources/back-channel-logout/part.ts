import { ConfiguredSources } from '../common/configured-sources.ts'
import type { SourcePart } from '../common/part.ts'
import { keysOf, openIssuer } from '../token/issuer-source.ts'
import { createTakeLogoutToken, LogoutEntry, type LogoutSource } from './logout-token.ts'
import { backChannelLogoutRoute } from './route.ts'

/** OpenID Connect Back-Channel Logout 1.0. */
export const backChannelLogout: SourcePart<LogoutEntry> = {
  kinds: ['oidc-back-channel-logout'],
  entries: () => [LogoutEntry],
  namesSessions: true,
  open(context) {
    const sources = new ConfiguredSources<LogoutSource>((config, previous) =>
      openIssuer(config, previous, { ...context, wellKnown: 'openid-configuration' }),
    )
    return {
      routes: backChannelLogoutRoute(sources, createTakeLogoutToken(context)),
      replace: (entries) => sources.replace(entries),
      keys: () => sources.all().map(keysOf),
    }
  },
}
