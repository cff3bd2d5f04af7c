import { z } from 'zod'
import { RETRY_AFTER_FORMS } from './rate-limit-error.ts'

const milliseconds = z.number().int().min(0)

/**
 * The tenant's behaviour where Qlik's is unknown or varies. Each setting is an option of `startSandbox` and can be changed
 * while the tenant runs, by assignment (`tenant.settings.paging = 'offset'`) or by `PATCH /sandbox/settings`. A change takes
 * effect with the next call.
 */
export const behaviourSchema = z.strictObject({
  /** Delay before the tenant processes a call. Default: 0. */
  latencyMs: milliseconds,
  /** How far the tenant's clock is ahead of `now`. Shifts its Date header and the issue times of tokens. Default: 0. */
  clockSkewMs: z.number().int(),
  /**
   * Whether responses have a Date header: the tenant's time when the call arrived, even if the response takes long.
   * Default: `sent`.
   */
  dateHeader: z.enum(['sent', 'missing', 'unreadable']),
  /**
   * How much older a token's grant is than the token. The id of a token contains the time of the grant. More than 0 is a
   * login or refresh that reuses a grant. Default: 0.
   */
  grantAgeMs: milliseconds,
  /** Form of the ids of tokens: beginning with the time of the grant, or opaque. Default: `object-id`. */
  tokenIds: z.enum(['object-id', 'opaque']),
  /** How long after its issue a token appears in listings. It is valid from its issue on. Default: 0. */
  lagAfterIssueMs: milliseconds,
  /** How long a revoked token stays in listings. Default: 0. */
  lagAfterRevokeMs: milliseconds,
  /** How long a revoked token can still be used. Default: 0. */
  validAfterRevokeMs: milliseconds,
  /**
   * Meaning of a listing's `page`: with `keyset`, the default, a position between two rows; with `offset`, a number of rows,
   * so that pages shift when earlier rows are added or removed.
   */
  paging: z.enum(['keyset', 'offset']),
  /** Order of a user's tokens in a listing. Default: `oldest-first`. */
  listingOrder: z.enum(['oldest-first', 'newest-first']),
  /** How long the `page` of a link is valid; later calls get 400. Default: null, it does not expire. */
  cursorLifetimeMs: milliseconds.nullable(),
  /** Maximum `limit` of a listing. Default: 100. */
  pageSizeMax: z.number().int().min(1),
  /**
   * Origin of links; an empty string makes them relative. Default: null, the origin that the call was made to. Another
   * origin shows what a client does with its access token.
   */
  linkOrigin: z.string().nullable(),
  /** Status for revoking a token that is unknown or already revoked. Default: 404. */
  unknownTokenDelete: z.union([z.literal(404), z.literal(204)]),
  /**
   * The tenant's own limit of each tier, as a share of the user limit times the number of users, bots included. A small
   * tenant reaches it before the user limit. Null: no such limit. Default: 0.5.
   */
  tenantLimitShare: z.number().min(0).nullable(),
  /** How many calls a delete with 404 counts as: some of Qlik's endpoints limit errors more strictly. Default: 1. */
  notFoundCost: z.number().int().min(1),
  /** Whether responses have `RateLimit-Limit` and `RateLimit-Policy`. Qlik documents no such headers. Default: false. */
  rateLimitHeaders: z.boolean(),
  /** Format of `Retry-After` if a limit is reached. Default: `seconds`. */
  retryAfter: z.enum(RETRY_AFTER_FORMS),
  /**
   * Whether `GET /users/{id}` ignores letter case and returns the id as stored. Listings of tokens always compare ids
   * exactly. Default: false.
   */
  anyCaseUserIds: z.boolean(),
  /**
   * Whether a user without the role TenantAdmin finds only itself among the users. Qlik does not document this.
   * Default: true.
   */
  hidesUsers: z.boolean(),
  /** Whether `GET /users/me` redirects to an absolute URL. Default: false. */
  absoluteRedirect: z.boolean(),
})

export type Behaviour = z.output<typeof behaviourSchema>

export const DEFAULT_BEHAVIOUR: Behaviour = {
  latencyMs: 0,
  clockSkewMs: 0,
  dateHeader: 'sent',
  grantAgeMs: 0,
  tokenIds: 'object-id',
  lagAfterIssueMs: 0,
  lagAfterRevokeMs: 0,
  validAfterRevokeMs: 0,
  paging: 'keyset',
  listingOrder: 'oldest-first',
  cursorLifetimeMs: null,
  pageSizeMax: 100,
  linkOrigin: null,
  unknownTokenDelete: 404,
  tenantLimitShare: 0.5,
  notFoundCost: 1,
  rateLimitHeaders: false,
  retryAfter: 'seconds',
  anyCaseUserIds: false,
  hidesUsers: true,
  absoluteRedirect: false,
}
