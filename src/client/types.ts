/**
 * Exactly one name: the Qlik user id, the identity provider's subject, or the e-mail address. Other members, such as those of
 * a session, are not sent.
 */
export interface User {
  userId?: string | undefined
  subject?: string | undefined
  email?: string | undefined
}

export type Reason = 'logout' | 'session-expired' | 'security'

export interface ClientOptions {
  /** Address of Curfew, such as `https://curfew.internal`. */
  url: string
  /** `whsec_` and base64: signs signals according to Standard Webhooks, so no secret is sent. Preferred over `apiKey`. */
  webhookSecret?: string | undefined
  /** Authenticates signals if there is no `webhookSecret`, and all other calls. */
  apiKey?: string | undefined
  /** Maximum number of attempts. Default: 5 */
  attempts?: number | undefined
  /** Timeout of each attempt, in ms. Default: 3,000; `waitSeconds` is added to it */
  attemptTimeoutMs?: number | undefined
  /** Timeout of all attempts and the waits between them, in ms. Default: 15,000; `waitSeconds` is added to it */
  totalTimeoutMs?: number | undefined
}

export interface SignalOptions {
  /** Default: `logout` */
  reason?: Reason | undefined
  /**
   * When the session ended, now by default. Access granted more than 5 s later is kept, except for `security`, which ends
   * all access.
   */
  occurredAt?: Date | undefined
  /** Name of the tenant. */
  tenant?: string | undefined
  /** Revoke only tokens of this device type. */
  deviceType?: string | undefined
  scope?: 'issued-before' | 'all' | undefined
  /** Name of a receiver to notify of the revocation, in addition to those of all revocations. */
  notify?: string | undefined
  /**
   * Identifies the signal: the same id with the same user, reason and time is the same logout. Curfew remembers it for three
   * days if the request is signed, and for 10 minutes with an API key. A new one by default.
   */
  webhookId?: string | undefined
  /** `Prefer: wait`: how long Curfew waits for the end of the revocation before it answers, in seconds, up to 30. */
  waitSeconds?: number | undefined
}

/** A revocation, as far as callers usually need it; docs/reference/http.md describes all members. */
export interface Revocation {
  id: string
  tenant: string
  user: { userId?: string; subject?: string; email?: string; resolved?: string[] }
  source: string
  /** The senders of its signals, first the one of the first signal. */
  senders: { kind: string; name: string }[]
  reason: Reason
  status: 'queued' | 'running' | 'held' | 'completed' | 'failed' | 'superseded' | 'cancelled'
  outcome: string | null
  tokens: {
    found: number
    revoked: number
    alreadyGone: number
    kept: number
    remaining: number
    undecided: number
  }
  verified: boolean
  /** What the last listing proves; null before the first. */
  proof: {
    at: string
    pages: number
    listings: number
    client: string
    scope: string
    role: string
    userExists: boolean
  } | null
  verificationDueAt: string | null
  supersededBy: string | null
  /** Null if nothing known delays it. Kinds may be added. */
  waitingFor: { what: string; until: string | null } | null
  nextAttemptAt: string | null
  error: { code: string; title: string; detail: string; action: string } | null
  occurredAt: string
  acceptedAt: string
  completedAt: string | null
  estimatedCompletionAt: string | null
  [member: string]: unknown
}

/** An item of `GET /revocations/{id}/timeline`. */
export interface TimelineItem {
  at: string
  /** Events may be added. */
  event: string
  /** The sender; null for Curfew itself, or if it is unknown. */
  by: { kind: string; name: string } | null
  /** The address of the sender. */
  address: string | null
  details: Record<string, unknown>
}

export interface RevokeUsersOptions
  extends Pick<SignalOptions, 'occurredAt' | 'tenant' | 'deviceType' | 'scope' | 'notify'> {
  /** Default: `security` */
  reason?: Reason | undefined
  /**
   * Id of a batch of the tenant: 1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit. A new batch by
   * default.
   */
  batch?: string | undefined
  /** The same key with the same users and options is the same request, for 10 minutes. A new one by default. */
  idempotencyKey?: string | undefined
}

/** One item for each user, in order: the revocation, or why the user was rejected. */
export interface RevokedUsers {
  batch: string
  items: {
    index: number
    revocation?: Revocation
    error?: { code: string; title: string; detail?: string }
  }[]
}

/** The state of a batch; docs/reference/http.md describes all members. */
export interface Batch {
  id: string
  tenant: string
  createdAt: string
  total: number
  status: Record<'queued' | 'running' | 'held' | 'completed' | 'failed' | 'cancelled', number>
  outcomes: Record<string, number>
  verified: number
  confirming: number
  tokens: Record<'revoked' | 'alreadyGone' | 'kept' | 'remaining', number>
  failures: { code: string; title: string; action: string; count: number; ids: string[] }[]
  done: boolean
  estimatedCompletionAt: string | null
}

/** The signal is stored. `revocation` is its state when Curfew answered. */
export interface Accepted {
  ok: true
  revocationId: string
  revocation: Revocation
  webhookId: string
  attempts: number
}

/** Curfew did not store the signal, as far as is known. It contains no personal data, so it can be logged. */
export interface Failed {
  ok: false
  /** Curfew's (docs/errors.md), the network's (`ECONNREFUSED`, `TIMEOUT`, …), or `HTTP_` and the status. */
  code: string
  webhookId: string
  attempts: number
}

/** The response of `POST /revocations/retry`, `cancel` or `release` with filters. */
export interface ChangedRevocations {
  /** When the request was received. */
  at: string
  retried?: number
  cancelled?: number
  released?: number
  joined?: number
  matched: number
  byStatus: Record<string, number>
  refused: Record<string, number>
  ids: string[]
  nextCursor: string | null
}

export interface CallOptions {
  query?: Record<string, string | number | boolean | undefined> | undefined
  body?: unknown
  /** Makes a `POST` safe to repeat, so that it is retried. */
  idempotencyKey?: string | undefined
  waitSeconds?: number | undefined
  /** Statuses that are not errors, in addition to 2xx. */
  accept?: readonly number[] | undefined
  signal?: AbortSignal | undefined
}

/** A call failed. */
export class CurfewApiError extends Error {
  /** Curfew's code, the network's, or `HTTP_` and the status. */
  readonly code: string
  /** Null if there was no response. */
  readonly status: number | null
  /** What to do, according to Curfew. */
  readonly action: string | null
  /** Invalid members of the request. */
  readonly errors: readonly { member: string; expected: string }[]

  constructor(
    message: string,
    details: Pick<CurfewApiError, 'code' | 'status' | 'action' | 'errors'>,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'CurfewApiError'
    this.code = details.code
    this.status = details.status
    this.action = details.action
    this.errors = details.errors
  }
}
