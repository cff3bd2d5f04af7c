import { type Behaviour, behaviourSchema, DEFAULT_BEHAVIOUR } from './behaviour.ts'

/** What each setting is, in a few words; the whole is said in `behaviour.ts`. */
const SETTINGS: Record<keyof Behaviour, string> = {
  latencyMs: 'ms that each call waits first',
  clockSkewMs: "ms that the tenant's clock is ahead",
  dateHeader: 'sent, missing, or unreadable',
  grantAgeMs: 'ms that the time in a token id is before its issue',
  lagAfterIssueMs: 'ms from the issue of a token to its first listing',
  lagAfterRevokeMs: 'ms from the revocation of a token to its last listing',
  paging: 'keyset, or offset: pages that shift',
  listingOrder: "oldest-first or newest-first, for a user's tokens",
  cursorLifetimeMs: 'ms that the page of a link is valid, or null',
  pageSizeMax: 'greatest limit of a listing',
  linkOrigin: 'origin of paging links; empty for relative ones',
  unknownTokenDelete: '404 or 204 for a token that is unknown or already revoked',
  tenantLimitShare: "the tenant's limit: this times the user's times the users; or null",
  notFoundCost: 'calls that a delete with 404 counts as',
  retryAfter: 'seconds, date, or missing, for a limit that is reached',
  anyCaseUserIds: 'whether /users/{id} takes ids in other letter case',
  absoluteRedirect: 'whether /users/me redirects to an absolute address',
}

export const USAGE = `Usage: npm run sandbox -- [options]

  --port <n>                    port to listen on (4848; 0 takes any free one)
  --host <address>              address to listen on (127.0.0.1)
  --latency <ms>                wait before each call (0)
  --tier1 <n>                   tier 1 calls in a window (5000)
  --tier2 <n>                   tier 2 calls in a window (500)
  --window <ms>                 length of the rate limits' window (300000)
  --client-id <id>              id of the M2M client (curfew)
  --client-secret <secret>      its secret (sandbox-secret); can be repeated
  --client-secret-file <path>   file that holds its secret; can be repeated
  --client-public-key-file <path>
                                file that holds its public key, PEM or JWK, for
                                private_key_jwt; can be repeated
  --set <setting>=<value>       how the tenant behaves, see below; can be repeated
  --no-seed                     start without people
  --help                        print this

Settings, with their defaults. PATCH /sandbox/settings changes them while the tenant runs, as JSON:

${behaviourSchema.keyof().options.map(settingLine).join('\n')}
`

function settingLine(name: keyof Behaviour): string {
  return `  ${`${name}=${DEFAULT_BEHAVIOUR[name]}`.padEnd(45)} ${SETTINGS[name]}`
}
