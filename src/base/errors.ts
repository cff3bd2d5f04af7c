/**
 * The one table of Curfew's error codes. `docs/errors.md` lists the same codes (a test holds both equal).
 * A retired code is never used again.
 *
 * `status` is the HTTP status where the code answers a request, or null where it only ever stands in a
 * revocation's `error` or in a message of the process.
 */
export const ERRORS = {
  CURFEW_UNAUTHENTICATED: {
    status: 401,
    title: 'The sender is not proven',
    action: 'Sign the request (Standard Webhooks), or send an API key as "Authorization: Bearer …".',
  },
  CURFEW_FORBIDDEN: {
    status: 403,
    title: 'This API key is bounded to tenants, and this is about all of them',
    action: 'Use an API key that is not bounded to tenants.',
  },
  CURFEW_SIGNATURE_INVALID: {
    status: 401,
    title: 'The webhook signature does not match',
    action:
      'Sign "id.timestamp.body" over the exact bytes that are sent, with one of WEBHOOK_SECRETS or of CONFIG_FILE.',
  },
  CURFEW_SIGNATURE_EXPIRED: {
    status: 401,
    title: "The webhook's timestamp is more than 5 minutes away from now",
    action: "Set the sender's clock by NTP and sign each attempt with the current time, in whole seconds.",
  },
  CURFEW_SOURCE_UNPROVEN: {
    status: 401,
    title: 'The sender is not proven to be this source',
    action:
      'Operators: the secret, and how it is sent, must be the same at the sender and in the source of CONFIG_FILE.',
  },
  CURFEW_REQUEST_INVALID: {
    status: 400,
    title: 'The request is not as the contract says',
    action: 'Correct the members listed in "errors"; the contract is at /openapi.json.',
  },
  CURFEW_BODY_UNREADABLE: {
    status: 400,
    title: 'The body is not readable JSON',
    action: 'Send one JSON object in UTF-8, without "__proto__" or "constructor.prototype".',
  },
  CURFEW_BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    action: 'Send at most 64 KiB, or 1 MiB to POST /revocations and to the webhook of a source.',
  },
  CURFEW_MEDIA_TYPE: {
    status: 415,
    title: 'The content type is not supported',
    action: 'Send "Content-Type: application/json".',
  },
  CURFEW_UNKNOWN_TENANT: {
    status: 400,
    title: 'No tenant of that name is configured for this sender',
    action:
      'Name a tenant that is configured, and that the sender is for. A revocation waits for it for 24 hours.',
  },
  CURFEW_SUBJECT_UNKNOWN: {
    status: 400,
    title: 'The signal names no user in the way that its source is configured for',
    action:
      'Operators: look at "user" of the source in CONFIG_FILE; the members that it names must be there.',
  },
  CURFEW_NOT_FOUND: {
    status: 404,
    title: 'There is no such route',
    action: 'The routes are listed at /docs.',
  },
  CURFEW_UNKNOWN_REVOCATION: {
    status: 404,
    title: 'There is no revocation with that id',
    action: 'Check the id; finished revocations are deleted after RETENTION_DAYS.',
  },
  CURFEW_NOT_RETRYABLE: {
    status: 409,
    title: 'This revocation needs no retry',
    action: 'Only failed, unverified and waiting revocations are retried. Send a new signal instead.',
  },
  CURFEW_IDEMPOTENCY_MISMATCH: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    action: 'Use a new key for a new request; a key is remembered for 10 minutes.',
  },
  CURFEW_KEYS_UNAVAILABLE: {
    status: 503,
    title: 'The keys that would prove the sender cannot be had',
    action:
      "Send it again after Retry-After seconds. Operators: look whether the source's keys can be fetched.",
  },
  CURFEW_STORE_UNAVAILABLE: {
    status: 503,
    title: 'The signal could not be made durable',
    action:
      'Send it again after Retry-After seconds. Operators: look at the disk or server behind DATABASE_URL.',
  },
  CURFEW_INTERNAL: {
    status: 500,
    title: 'Something unexpected went wrong',
    action: 'Send it again. Operators: the log has the error, with the same request id.',
  },
  CURFEW_QLIK_UNAVAILABLE: {
    status: 503,
    title: 'Qlik Cloud did not answer, or answered with a server error',
    action: 'Nothing: Curfew tries again for 24 hours. If it stays, check QLIK_TENANT_URL and the network.',
  },
  CURFEW_QLIK_UNREADABLE: {
    status: 502,
    title: 'Qlik Cloud answered with something Curfew cannot read',
    action:
      'Nothing: Curfew tries again for 24 hours. If it stays, check that QLIK_TENANT_URL is the tenant.',
  },
  CURFEW_QLIK_UNAUTHORIZED: {
    status: 502,
    title: "Qlik Cloud does not accept Curfew's credentials",
    action:
      'Check the client id, its secret or private key, and QLIK_SCOPE, and that the bot user is not disabled.',
  },
  CURFEW_QLIK_FORBIDDEN: {
    status: 502,
    title: 'Qlik Cloud forbids this to the OAuth client',
    action:
      'Give the OAuth client the scope admin_classic and its bot user the role TenantAdmin, then retry.',
  },
  CURFEW_QLIK_REJECTED: {
    status: 502,
    title: 'Qlik Cloud rejected the request',
    action: 'Check that the user id is one of this tenant, then retry the revocation.',
  },
  CURFEW_QLIK_RATE_LIMITED: {
    status: 503,
    title: "The tenant's rate limit leaves no room at the moment",
    action: 'Send it again after Retry-After seconds.',
  },
  CURFEW_DRY_RUN_TIMEOUT: {
    status: 503,
    title: 'The dry run did not end within 20 seconds',
    action:
      'Send it again after Retry-After seconds, or for fewer users. Operators: the rate limit leaves no room, or Qlik ' +
      'Cloud is slow; see curfew_budget_remaining and curfew_qlik_request_seconds.',
  },
  CURFEW_CLIENT_NOT_ADMIN: {
    status: 502,
    title: "The OAuth client cannot see other users' tokens",
    action:
      'Assign the role TenantAdmin to the OAuth client in the Qlik administration. Curfew notices by itself.',
  },
  CURFEW_SCOPE_TOO_NARROW: {
    status: 502,
    title: 'Qlik Cloud granted the OAuth client less than the scope admin_classic',
    action:
      'Allow the scope admin_classic for the OAuth client in the Qlik administration, and check QLIK_SCOPE. Curfew ' +
      'notices within five minutes.',
  },
  CURFEW_AMBIGUOUS_USER: {
    status: null,
    title: 'Several users match, and not all exactly, or one that is spelled differently',
    action: 'Send the Qlik user id instead, or the name exactly as Qlik has it; nobody was logged out.',
  },
  CURFEW_OWN_USER: {
    status: null,
    title: "That name leads to the user of Curfew's own access token",
    action: 'If that is really meant, name it by its Qlik user id.',
  },
  CURFEW_TOKENS_REMAIN: {
    status: null,
    title: 'Revoked tokens are still listed',
    action:
      'Nothing: Curfew lists again later. If the detail names tokens for hours, report them to Qlik Support.',
  },
  CURFEW_LISTING_UNSTABLE: {
    status: null,
    title: "Qlik Cloud's list of tokens changes while it is read",
    action: 'Nothing: Curfew lists again later.',
  },
  CURFEW_RUN_LOST: {
    status: null,
    title: 'Every process that ran the revocation was lost',
    action: 'Look why processes end or lose the database, then retry the revocation.',
  },
  CURFEW_CONFIG_INVALID: {
    status: 422,
    title: 'The configuration is not usable',
    action:
      'Correct what is listed: .env.example and docs/configuration.md explain each key. At the start the process ' +
      'exits with code 78; at a reload the configuration before goes on working.',
  },
  CURFEW_STORE_LOCKED: {
    status: null,
    title: 'Another process uses this database file',
    action: 'Run one process per SQLite file. The process exits with code 75.',
  },
  CURFEW_STORE_NEWER: {
    status: null,
    title: 'The database was migrated by a newer version of Curfew',
    action: 'Start that version or a later one. The process exits with code 75.',
  },
} as const satisfies Record<string, { status: number | null; title: string; action: string }>

export type ErrorCode = keyof typeof ERRORS

/** One member of a request that is not as the contract says. */
export interface InvalidMember {
  /** JSON Pointer into the body, or the name of the header or parameter. */
  member: string
  /** What was expected there. Never repeats the value. */
  expected: string
}

/** An error whose message is Curfew's own: it repeats nothing that was sent, so it may be logged. */
export abstract class OwnError extends Error {}

/** An error with a code of the table. `detail` is shown to the caller: it holds no secret and no personal data. */
export class CurfewError extends OwnError {
  readonly code: ErrorCode
  readonly members: InvalidMember[]
  readonly retryAfterSeconds: number | null

  constructor(
    code: ErrorCode,
    detail?: string,
    options: { cause?: unknown; members?: InvalidMember[]; retryAfterSeconds?: number } = {},
  ) {
    super(detail ?? ERRORS[code].title, { cause: options.cause })
    this.name = 'CurfewError'
    this.code = code
    this.members = options.members ?? []
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
  }
}

/** A request of which one member is not as the contract says. */
export function invalidMember(member: string, expected: string): CurfewError {
  return new CurfewError('CURFEW_REQUEST_INVALID', undefined, { members: [{ member, expected }] })
}

/** The arguments of the process are not as they should be; the message says which are. */
export class UsageError extends Error {}
