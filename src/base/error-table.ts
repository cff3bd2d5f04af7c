/**
 * All error codes of Curfew. `docs/errors.md` lists the same codes (a test keeps both equal). The code of a
 * removed error is never reused.
 *
 * `status` is the HTTP status of an answer with this code, or null if the code occurs only in a revocation, in a log line,
 * in a readiness check or in an error message of the process.
 */
export const ERRORS = {
  CURFEW_UNAUTHENTICATED: {
    status: 401,
    title: 'The request is not authenticated',
    action: 'Sign the request (Standard Webhooks), or send an API key as "Authorization: Bearer …".',
  },
  CURFEW_FORBIDDEN: {
    status: 403,
    title: 'This API key is restricted to certain tenants; the request affects all of them',
    action: 'Use an API key that is not restricted to tenants.',
  },
  CURFEW_ROLE_REQUIRED: {
    status: 403,
    title: 'This API key lacks the role that the request requires',
    action:
      'Use an API key with the role that the detail names. Operators: add it to "roles" of the key in CONFIG_FILE.',
  },
  CURFEW_SIGNATURE_INVALID: {
    status: 401,
    title: 'The webhook signature does not match',
    action:
      'Sign "id.timestamp.body" over the exact bytes of the body, with a secret of WEBHOOK_SECRETS or CONFIG_FILE.',
  },
  CURFEW_SIGNATURE_EXPIRED: {
    status: 401,
    title: 'The webhook timestamp differs from the current time by more than 5 minutes',
    action:
      "Synchronize the sender's clock by NTP. Sign each attempt with the current time in whole seconds.",
  },
  CURFEW_SOURCE_UNPROVEN: {
    status: 401,
    title: 'The request is not authenticated as coming from this source',
    action: "Operators: configure the same secret at the sender and in the source's entry of CONFIG_FILE.",
  },
  CURFEW_TOO_MANY_FAILURES: {
    status: 429,
    title: 'Too many failed authentications from this address',
    action:
      'Correct the secret, key or clock of the sender. Requests that authenticate are not limited. Operators behind a proxy: ' +
      'set TRUST_PROXY.',
  },
  CURFEW_OVERLOADED: {
    status: 503,
    title: 'Curfew is overloaded',
    action:
      'Send it again after Retry-After seconds. Operators: curfew_refusals_total gives the reason; see docs/security.md.',
  },
  CURFEW_REQUEST_INVALID: {
    status: 400,
    title: 'The request is invalid',
    action: 'Correct the members listed in "errors". The API is described at /openapi.json.',
  },
  CURFEW_BODY_UNREADABLE: {
    status: 400,
    title: 'The body is not valid JSON',
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
  CURFEW_CONTENT_ENCODING: {
    status: 415,
    title: 'Compressed bodies are not supported',
    action: 'Send the body without "Content-Encoding".',
  },
  CURFEW_UNKNOWN_TENANT: {
    status: 400,
    title: 'No tenant of that name is configured for this sender',
    action:
      'Use the name of a configured tenant that the sender may name. A stored revocation waits 24 hours for its tenant.',
  },
  CURFEW_NOT_FOUND: {
    status: 404,
    title: 'This route does not exist',
    action:
      "See the HTTP reference for the routes. Some are available only on the operators' listener (OPS_PORT).",
  },
  CURFEW_UNKNOWN_REVOCATION: {
    status: 404,
    title: 'No revocation has this id',
    action: 'Check the id. Finished revocations are deleted after RETENTION_DAYS.',
  },
  CURFEW_UNKNOWN_ERASURE: {
    status: 404,
    title: 'This process knows no erasure with this id',
    action: 'Erase again with POST /erasures: it continues where an interrupted erasure ended.',
  },
  CURFEW_REVOCATION_HELD: {
    status: 409,
    title: 'The brake on mass revocation holds this revocation',
    action: 'Release it with POST /revocations/release, or cancel it with POST /revocations/cancel.',
  },
  CURFEW_NOT_RETRYABLE: {
    status: 409,
    title: 'This revocation does not need a retry',
    action: 'Retry only failed, unverified and waiting revocations. Send a new signal instead.',
  },
  CURFEW_IDEMPOTENCY_MISMATCH: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    action: 'Use a new key for a new request. Curfew remembers a key for 10 minutes.',
  },
  CURFEW_STORE_UNAVAILABLE: {
    status: 503,
    title: 'The signal was not stored',
    action:
      'Send it again after Retry-After seconds. Operators: check the disk or the server of DATABASE_URL.',
  },
  CURFEW_INTERNAL: {
    status: 500,
    title: 'An unexpected error occurred',
    action: 'Send it again. Operators: find the error in the log by the request id.',
  },
  CURFEW_TOKEN_MALFORMED: {
    status: 400,
    title: 'The token is not a signed JWT of the expected type',
    action: 'Send one signed JWT of the type that the protocol defines.',
  },
  CURFEW_TOKEN_KEY_UNKNOWN: {
    status: 400,
    title: 'No usable key of the issuer matches the token',
    action: "Operators: check that the issuer publishes the key (kid) at the source's jwksUri.",
  },
  CURFEW_TOKEN_SIGNATURE_INVALID: {
    status: 400,
    title: 'The signature of the token is invalid',
    action: "Operators: check the source's algorithms, and that the issuer signs the token itself.",
  },
  CURFEW_TOKEN_ISSUER_WRONG: {
    status: 400,
    title: 'The token is from another issuer',
    action: "Operators: set the source's issuer to the exact iss of the token.",
  },
  CURFEW_TOKEN_AUDIENCE_WRONG: {
    status: 400,
    title: 'The token is for another audience',
    action: "Operators: set the source's audience to the aud of the token.",
  },
  CURFEW_TOKEN_TIME_INVALID: {
    status: 400,
    title: 'The token is expired, not yet valid, or valid for too long',
    action: "Send a new token. Synchronize the sender's clock by NTP.",
  },
  CURFEW_TOKEN_CLAIMS_INVALID: {
    status: 400,
    title: 'A claim of the token is missing, invalid or not allowed',
    action:
      'Send the claims that the protocol requires. For a session (sid), record it first: PUT /sessions/{sid}.',
  },
  CURFEW_TOKEN_REPLAYED: {
    status: 400,
    title: 'The token was used before',
    action: 'Nothing: the first use was accepted. Send a new token for each request.',
  },
  CURFEW_SUBJECT_INVALID: {
    status: 400,
    title: 'The subject identifier is invalid',
    action: 'Send a subject identifier as RFC 9493 defines it.',
  },
  CURFEW_SUBJECT_UNKNOWN: {
    status: 400,
    title: 'The signal does not identify a user as the entry of its source requires',
    action:
      'Operators: check "user" in the source\'s entry of CONFIG_FILE; the members it names must be present.',
  },
  CURFEW_USER_UNKNOWN: {
    status: 404,
    title: 'The tenant has no such user',
    action:
      'Send a user of the tenant. Operators: check "user" and "tenant" in the source\'s entry of CONFIG_FILE.',
  },
  CURFEW_KEYS_UNAVAILABLE: {
    status: 503,
    title: "The issuer's keys are unavailable",
    action:
      "Send it again after Retry-After seconds. Operators: check that Curfew can fetch the issuer's discovery document and keys.",
  },
  CURFEW_KEY_LOOKUP_DEFERRED: {
    status: 503,
    title: 'The key of the token is unknown, and the issuer keys cannot be fetched again yet',
    action:
      "Send it again after Retry-After seconds. Operators: if it repeats, check that the issuer publishes the key (kid) at the source's jwksUri.",
  },
  CURFEW_FETCH_FAILED: {
    status: null,
    title: 'A document of a source cannot be fetched',
    action: "Check the addresses in the source's entry of CONFIG_FILE, and the network.",
  },
  CURFEW_STREAM_UNAUTHENTICATED: {
    status: 400,
    title: 'The Authorization header of the push is not the configured one',
    action: 'Operators: configure the same pushAuthorization at the transmitter and in CONFIG_FILE.',
  },
  CURFEW_STREAM_MISMATCH: {
    status: 400,
    title: 'The event belongs to another stream',
    action: "Operators: deliver only this source's stream here, or set transmitter.streamId.",
  },
  CURFEW_STREAM_STATE_UNKNOWN: {
    status: 400,
    title: 'The state of the verification event is unknown',
    action: 'Let Curfew request the verification, or send it without a state.',
  },
  CURFEW_TRANSMITTER_FAILED: {
    status: null,
    title: 'The transmitter does not serve the event stream',
    action: "Check the transmitter and the source's entry in CONFIG_FILE. Curfew tries again by itself.",
  },
  CURFEW_QLIK_UNAVAILABLE: {
    status: 503,
    title: 'Qlik Cloud did not respond, or returned a server error',
    action: 'Nothing: Curfew retries for 24 hours. If it persists, check QLIK_TENANT_URL and the network.',
  },
  CURFEW_QLIK_UNREADABLE: {
    status: 502,
    title: 'Curfew cannot read the response of Qlik Cloud',
    action: 'Nothing: Curfew retries for 24 hours. If it persists, check that QLIK_TENANT_URL is the tenant.',
  },
  CURFEW_QLIK_UNAUTHORIZED: {
    status: 502,
    title: "Qlik Cloud rejects Curfew's credentials",
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
    action: 'Check that the user id belongs to this tenant, then retry the revocation.',
  },
  CURFEW_QLIK_RATE_LIMITED: {
    status: 503,
    title: "The tenant's rate limit is used up",
    action: 'Send it again after Retry-After seconds.',
  },
  CURFEW_DRY_RUN_TIMEOUT: {
    status: 503,
    title: 'The dry run did not finish within 20 seconds',
    action:
      'Send it again after Retry-After seconds, or for fewer users. Operators: the rate limit is used up, or Qlik Cloud is ' +
      'slow; see curfew_budget_remaining and curfew_qlik_request_seconds.',
  },
  CURFEW_CLIENT_NOT_ADMIN: {
    status: 502,
    title: "The OAuth client cannot see other users' tokens",
    action:
      'Assign the role TenantAdmin to the OAuth client in the Qlik administration. Curfew detects the change.',
  },
  CURFEW_SCOPE_TOO_NARROW: {
    status: 502,
    title: 'Qlik Cloud granted the OAuth client less than the scope admin_classic',
    action:
      'Allow the scope admin_classic for the OAuth client in the Qlik administration, and check QLIK_SCOPE. Curfew ' +
      'detects the change within five minutes.',
  },
  CURFEW_AMBIGUOUS_USER: {
    status: null,
    title: 'Several users match the name, or one whose spelling differs',
    action: 'Send the Qlik user id, or the exact name as stored in Qlik. Nobody was logged out.',
  },
  CURFEW_OWN_USER: {
    status: null,
    title: "The name matches the user of Curfew's own access token",
    action: 'To revoke its tokens, send its Qlik user id.',
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
    action: 'Find out why processes end or lose the database, then retry the revocation.',
  },
  CURFEW_CONFIG_INVALID: {
    status: 422,
    title: 'The configuration is invalid',
    action:
      'Correct what is listed; .env.example and docs/configuration.md describe each key. At start the process exits with ' +
      'code 78. On reload the current configuration stays in use.',
  },
  CURFEW_STORE_LOCKED: {
    status: null,
    title: 'Another process uses this database file',
    action: 'Run one process per SQLite file. The process exits with code 75.',
  },
  CURFEW_STORE_NEWER: {
    status: null,
    title: 'A newer version of Curfew migrated the database',
    action: 'Start that version or a later one. The process exits with code 75.',
  },
} as const satisfies Record<string, { status: number | null; title: string; action: string }>

export type ErrorCode = keyof typeof ERRORS
