import { OwnError } from '../base/errors.ts'
import type { Interval } from '../base/interval.ts'
import type { NoteWait } from './run-history.ts'
import type { Place } from './schedule.ts'
import type { UserReference } from './signal.ts'

/** What the domain requires of a Qlik Cloud tenant. `qlik/tenant.ts` implements it over HTTP. */
export interface QlikTenant {
  readonly name: string
  /** Maximum number of deletes in flight, for all users and clients together. */
  readonly concurrency: number
  /**
   * Whether an OAuth client can see other users' tokens; looked up unless recently known. Of the client in `options`, or
   * of the tenant's most powerful client.
   */
  power(options: PowerOptions): Promise<ClientPower>
  /** The tenant's clock minus `Clock.monotonic`; null if unknown (`ClockOffset`). */
  clockOffset(): Interval | null
  /**
   * Users that Qlik finds by this subject or e-mail address, with the value Qlik has, which may differ (`identify`). A
   * client that cannot see other users finds none.
   */
  findUsers(user: UserReference, call: CallOptions): Promise<UserSearch>
  /**
   * Whether a user with exactly this Qlik user id exists, as `call.client` sees it: a client that cannot see other users finds
   * none.
   */
  userExists(id: string, call: CallOptions & { client: string }): Promise<boolean>
  /**
   * One page of a user's tokens; `next` identifies the following page, null on the last. Only the client
   * that made the call can read the following pages: pass it as `call.client`.
   */
  listTokens(userId: string, page: string | null, call: CallOptions): Promise<TokenPage>
  /**
   * One page of the tokens of all users, sorted by user, for a survey: the owner of each. `call.client` must read all
   * pages, and its power must be proven.
   */
  listOwners(page: string | null, call: CallOptions & { client: string }): Promise<OwnersPage>
  /** Revokes one token. A token that this process revoked within the last minute is not deleted again. */
  revokeToken(id: string, call: CallOptions): Promise<Gone>
  /** The fate of a token that this process tried to revoke in the last minutes; null if it did not. */
  fateOf(id: string): TokenFate | null
}

/** The configured tenants, by name. `qlik/tenants.ts` implements it. */
export interface QlikTenants {
  /** A configured tenant, opened if necessary. Get it again for each use. */
  get(name: string): QlikTenant | undefined
  /** A tenant if it is open, without opening it. */
  ifOpen(name: string): QlikTenant | undefined
}

/** How a token delete succeeded: 204, or 404. */
export type Gone = 'revoked' | 'already-gone'

/** The fate of a token that this process tried to delete in the last minutes. Times are monotonic, in ms. */
export type TokenFate =
  | {
      kind: 'gone'
      /** `revoked` once this process has revoked it, regardless of what a repeated delete returned. */
      how: Gone
      /** When the response to the first delete arrived. */
      since: number
      /** When the response to the latest delete arrived. */
      at: number
    }
  | { kind: 'refused'; failure: QlikFailure; at: number }

export interface CallOptions {
  /** Aborts waiting and calling. */
  signal: AbortSignal
  /** Priority when the budget is short: 0 before 1 before 2. */
  urgency: number
  /** Id of the OAuth client that must make the call; by default any that can. */
  client?: string | undefined
  /** Id of the OAuth client that makes the call unless another is more powerful, or Qlik refuses it. */
  preferredClient?: string | undefined
  /** The place among calls of the same urgency; by default before those that have one, in order of arrival. */
  place?: Place
  /** Called when the call waits for the budget. */
  onWait?: NoteWait | undefined
}

export interface PowerOptions extends CallOptions {
  /** Maximum age of a known result, in ms; default: the usual lifetime of a finding. */
  maxAgeMs?: number
}

/** Whether the client can see other users' tokens. A client without the role gets empty lists, not errors. */
export type Power = (typeof POWERS)[number]
/** Best first. */
export const POWERS = ['proven', 'unknown', 'lacking'] as const

/**
 * The basis of the client's power.
 * - `tenant-admin`: its user has the role TenantAdmin, and the granted scope includes admin_classic
 * - `others-seen`: it saw tokens of another user
 * - `scope-too-narrow`: the granted scope does not include admin_classic
 * - `role-missing`: Qlik reports roles, and TenantAdmin is not among them
 * - `not-reported`: Qlik reports no roles
 */
export type Evidence = 'tenant-admin' | 'others-seen' | 'scope-too-narrow' | 'role-missing' | 'not-reported'

export interface ClientPower {
  power: Power
  evidence: Evidence
  /** The scope of the access token that produced the evidence. */
  scope: string
  /** Id of the OAuth client. */
  client: string
  /** The client's own user. */
  ownUserId: string
  /** The known users of all clients of the tenant. */
  ownUserIds: ReadonlySet<string>
}

export interface UserMatch {
  id: string
  /** The subject or e-mail address stored in Qlik. */
  value: string
}

export interface UserSearch {
  matches: UserMatch[]
  /** Whether the client that searched was proven, after the search, to see all users; if there is no match. */
  seesAll: boolean
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
  /** The scope of the access token used for the listing. */
  scope: string
  /** Id of the OAuth client that made the listing. */
  client: string
}

export interface OwnersPage {
  /** The Qlik user id of each token. */
  owners: string[]
  next: string | null
}

/**
 * Why a call to Qlik failed.
 * - `unauthorized`: 401, the access token is not accepted
 * - `client-rejected`: the token endpoint refuses the OAuth client
 * - `credential-refused`: the token endpoint does not accept the client's secret or key
 * - `forbidden`: 403
 * - `rate-limited`: 429
 * - `rejected`: 400, Qlik does not understand the request
 * - `unavailable`: 5xx, a timeout, a reset, no connection
 * - `unreadable`: the response does not have the documented format
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

/** A failed call to Qlik. The message contains no token, no user name and no text from the response. */
export class QlikFailure extends OwnError {
  readonly kind: QlikFailureKind
  /** How long Qlik asked to wait, in ms; null if unspecified. */
  readonly retryAfterMs: number | null
  /** Whether no connection was established, so Qlik cannot have counted the call. */
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
