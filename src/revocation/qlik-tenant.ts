import { OwnError } from '../base/errors.ts'
import type { Interval } from '../base/interval.ts'
import type { UserReference } from './signal.ts'

/** What the domain needs of a Qlik Cloud tenant. `qlik/tenant.ts` provides it over HTTP. */
export interface QlikTenant {
  readonly name: string
  /** Id of the OAuth client. */
  readonly clientId: string
  /** Deletes in flight at most, for all users together. */
  readonly concurrency: number
  /** Whether the OAuth client can see other users' tokens, looked up when it is not known recently. */
  power(options: PowerOptions): Promise<ClientPower>
  /** The tenant's clock minus `Clock.monotonic`; null while it is not known (`ClockOffset`). */
  clockOffset(): Interval | null
  /** The users whom Qlik finds by this subject or e-mail address, with the value that they have: it may differ (`identify`). */
  findUsers(user: UserReference, call: CallOptions): Promise<UserMatch[]>
  /** Whether there is a user with exactly this Qlik user id. */
  userExists(id: string, call: CallOptions): Promise<boolean>
  /** One page of a user's tokens; `next` names the following page, null on the last. */
  listTokens(userId: string, page: string | null, call: CallOptions): Promise<TokenPage>
  /** Revokes one token; one that this process has revoked within the last minute, only once. */
  revokeToken(id: string, call: CallOptions): Promise<Gone>
  /** What became of a token that this process has tried to revoke in the last minutes; null where it has not. */
  fateOf(id: string): TokenFate | null
}

/** How a delete of a token ended well: 204, or 404. */
export type Gone = 'revoked' | 'already-gone'

/** What became of a token that this process has tried to delete in the last minutes. Times are monotonic, in ms. */
export type TokenFate =
  | {
      kind: 'gone'
      /** `revoked` once this process has revoked it, whatever a repeated delete was answered with. */
      how: Gone
      /** When the first delete was answered. */
      since: number
      /** When the latest delete was answered. */
      at: number
    }
  | { kind: 'refused'; failure: QlikFailure; at: number }

export interface CallOptions {
  /** Aborts waiting and calling. */
  signal: AbortSignal
  /** Which call goes first when the budget is short: 0 before 1 before 2. */
  urgency: number
}

export interface PowerOptions extends CallOptions {
  /** How old the knowledge may be, in ms; as old as is usual when left out. */
  knownForMs?: number
}

/** See the design's "Empty because powerless": a client without the role gets empty lists, not errors. */
export type Power = 'proven' | 'lacking' | 'unknown'

/**
 * What the client's power is concluded from.
 * - `tenant-admin`: its user has the role TenantAdmin, and the granted scope includes admin_classic
 * - `others-seen`: it was shown tokens of another user
 * - `scope-too-narrow`: the granted scope does not include admin_classic
 * - `role-missing`: the role TenantAdmin is not among those that Qlik names
 * - `not-reported`: Qlik names no roles
 */
export type Evidence = 'tenant-admin' | 'others-seen' | 'scope-too-narrow' | 'role-missing' | 'not-reported'

export interface ClientPower {
  power: Power
  evidence: Evidence
  /** The scope of the access token by which that was found. */
  scope: string
  /** The user of Curfew's own access token. */
  ownUserId: string
}

export interface UserMatch {
  id: string
  /** The subject or e-mail address as Qlik has it. */
  value: string
}

export interface Token {
  id: string
  deviceType: string | null
  lastUsed: string | null
  description: string | null
  clientId: string | null
}

export interface TokenPage {
  tokens: Token[]
  next: string | null
  /** The scope of the access token by which it was listed. */
  scope: string
}

/**
 * How a call to Qlik went wrong.
 * - `unauthorized`: 401, the access token is not accepted
 * - `client-rejected`: the token endpoint refuses the OAuth client
 * - `credential-refused`: the token endpoint does not accept the client's secret or key
 * - `forbidden`: 403
 * - `rate-limited`: 429
 * - `rejected`: 400, Qlik does not understand the request
 * - `unavailable`: 5xx, a timeout, a reset, no connection
 * - `unreadable`: an answer that does not have the documented form
 */
export type QlikFailureKind =
  | 'unauthorized'
  | 'client-rejected'
  | 'credential-refused'
  | 'forbidden'
  | 'rate-limited'
  | 'rejected'
  | 'unavailable'
  | 'unreadable'

/** A failed call to Qlik. The message holds no token, no user name and nothing of the answer's text. */
export class QlikFailure extends OwnError {
  readonly kind: QlikFailureKind
  /** How long Qlik asked to wait in ms, or null where it did not say. */
  readonly retryAfterMs: number | null
  /** Whether no connection came about, so that Qlik cannot have counted the call. */
  readonly isUnsent: boolean

  constructor(
    kind: QlikFailureKind,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number | null; isUnsent?: boolean } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'QlikFailure'
    this.kind = kind
    this.retryAfterMs = options.retryAfterMs ?? null
    this.isUnsent = options.isUnsent ?? false
  }
}
