import { type Behaviour, behaviourSchema, DEFAULT_BEHAVIOUR } from './behaviour.ts'

/** A short description of each setting. `behaviour.ts` has the full one. */
const SETTINGS: Record<keyof Behaviour, string> = {
  latencyMs: 'delay of each call, in ms',
  clockSkewMs: "how far the tenant's clock is ahead, in ms",
  dateHeader: 'sent, missing or unreadable',
  grantAgeMs: 'how much older the time in a token id is than the token, in ms',
  tokenIds: 'form of token ids: object-id (with the time of the grant) or opaque',
  lagAfterIssueMs: 'delay until an issued token is listed, in ms',
  lagAfterRevokeMs: 'how long a revoked token stays listed, in ms',
  validAfterRevokeMs: 'how long a revoked token can still be used, in ms',
  paging: 'keyset, or offset (pages shift)',
  listingOrder: "order of a user's tokens: oldest-first or newest-first",
  cursorLifetimeMs: 'how long the page of a link is valid, in ms; null: forever',
  pageSizeMax: 'maximum limit of a listing',
  linkOrigin: 'origin of links; empty: relative links; null: the own origin',
  unknownTokenDelete: 'status for a token that is unknown or already revoked: 404 or 204',
  tenantLimitShare: "the tenant's limit as a share of user limit times users; null: none",
  notFoundCost: 'how many calls a delete with 404 counts as',
  rateLimitHeaders: 'whether responses state the rate limit',
  retryAfter: 'Retry-After of rate limits: seconds, date or missing',
  anyCaseUserIds: 'whether /users/{id} ignores letter case',
  hidesUsers: 'whether a user without TenantAdmin finds only itself',
  absoluteRedirect: 'whether /users/me redirects to an absolute URL',
}

export const USAGE = `Usage: npm run sandbox -- [options]
       npm run sandbox -- send <kind> [options]   send a signal to Curfew, see send --help
       npm run sandbox -- rotate [options]        rotate the identity provider's key

Starts a Qlik Cloud tenant and an identity provider on this machine, and prints the lines for .env and the sources for
CONFIG_FILE that point Curfew at them.

  --port <n>                    port to listen on (4848; 0 picks a free one)
  --host <address>              address to listen on (127.0.0.1)
  --latency <ms>                delay of each call (0)
  --tier1 <n>                   tier 1 calls per window (5000)
  --tier2 <n>                   tier 2 calls per window (500)
  --window <ms>                 window of the rate limits (300000)
  --client-id <id>              id of the M2M client (curfew)
  --client-secret <secret>      the client's secret (sandbox-secret); repeatable
  --client-secret-file <path>   file with the client's secret; repeatable
  --client-public-key-file <path>
                                file with the client's public key, PEM or JWK,
                                for private_key_jwt; repeatable
  --set <setting>=<value>       behaviour of the tenant, see below; repeatable
  --no-seed                     start without users
  --idp-port <n>                port of the identity provider (the tenant's port + 1)
  --no-idp                      start without an identity provider
  --source-secret <secret>      secret of the vendors' sources (random whsec_)
  --curfew <url>                address of Curfew (http://127.0.0.1:3000)
  --help                        print this text

Settings and their defaults. To change them while the tenant runs, send JSON to PATCH /sandbox/settings:

${behaviourSchema.keyof().options.map(settingLine).join('\n')}
`

function settingLine(name: keyof Behaviour): string {
  return `  ${`${name}=${DEFAULT_BEHAVIOUR[name]}`.padEnd(45)} ${SETTINGS[name]}`
}
