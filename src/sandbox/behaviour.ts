import { z } from 'zod'
import { RETRY_AFTER_FORMS } from './rate-limit-error.ts'

const milliseconds = z.number().int().min(0)

/**
 * Where Qlik's behaviour is unknown, or varies: how this tenant behaves. Each member can be given to `startSandbox`
 * and changed while the tenant runs, by assignment (`tenant.settings.paging = 'offset'`) or by
 * `PATCH /sandbox/settings`; it applies from the next call on.
 */
export const behaviourSchema = z.strictObject({
  /** How long each call waits before the tenant processes it, default 0. */
  latencyMs: milliseconds,
  /** How far the tenant's clock is ahead of `now`, default 0: moves its Date header and its tokens' issue times. */
  clockSkewMs: z.number().int(),
  /**
   * Whether answers have a Date header, default `sent`. It has the tenant's time at the arrival of the call, however
   * long the answer takes.
   */
  dateHeader: z.enum(['sent', 'missing', 'unreadable']),
  /**
   * How much older the grant of a token is than the token, default 0: the time in a token's id is the grant's.
   * More than 0 is a login or refresh that reuses a grant.
   */
  grantAgeMs: milliseconds,
  /** How long after its issue a token appears in listings, default 0. It works from its issue on. */
  lagAfterIssueMs: milliseconds,
  /** How long after its revocation a token stays in listings, default 0. It is dead from its revocation on. */
  lagAfterRevokeMs: milliseconds,
  /**
   * What the `page` of a listing stands for: `keyset`, the default, is a place between two rows; `offset` is a number
   * of rows, so that pages shift when rows before them come or go.
   */
  paging: z.enum(['keyset', 'offset']),
  /** Order of a user's tokens in a listing, default `oldest-first`. */
  listingOrder: z.enum(['oldest-first', 'newest-first']),
  /** How long the `page` of a link is valid; after that it gets 400. The default is null: it does not expire. */
  cursorLifetimeMs: milliseconds.nullable(),
  /** Greatest `limit` of a listing, default 100. */
  pageSizeMax: z.number().int().min(1),
  /** Origin in front of paging links; by default not the sandbox's own. Empty makes the links relative. */
  linkOrigin: z.string(),
  /** Answer to revoking a token that is unknown or already revoked, default 404. */
  unknownTokenDelete: z.union([z.literal(404), z.literal(204)]),
  /**
   * The tenant's own limit of each tier, as a share of the user's limit times the number of users, bots included;
   * default 0.5. In a small tenant it is reached before the user's. Null: there is none.
   */
  tenantLimitShare: z.number().min(0).nullable(),
  /** How many calls a delete that gets 404 counts as, default 1: some of Qlik's endpoints limit errors further. */
  notFoundCost: z.number().int().min(1),
  /** Form of the `Retry-After` of a limit that is reached, default `seconds`. */
  retryAfter: z.enum(RETRY_AFTER_FORMS),
  /**
   * Whether `GET /users/{id}` also finds a user by the id in other letter case and answers with the id as it is,
   * default false. Listings of tokens always compare ids exactly.
   */
  anyCaseUserIds: z.boolean(),
  /** Whether `GET /users/me` redirects to an absolute address, default false. */
  absoluteRedirect: z.boolean(),
})

export type Behaviour = z.output<typeof behaviourSchema>

export const DEFAULT_BEHAVIOUR: Behaviour = {
  latencyMs: 0,
  clockSkewMs: 0,
  dateHeader: 'sent',
  grantAgeMs: 0,
  lagAfterIssueMs: 0,
  lagAfterRevokeMs: 0,
  paging: 'keyset',
  listingOrder: 'oldest-first',
  cursorLifetimeMs: null,
  pageSizeMax: 100,
  linkOrigin: 'https://tenant.example.invalid',
  unknownTokenDelete: 404,
  tenantLimitShare: 0.5,
  notFoundCost: 1,
  retryAfter: 'seconds',
  anyCaseUserIds: false,
  absoluteRedirect: false,
}
