import type { ErrorSection } from './error-section.ts'

/** Answers to requests. */
export const REQUEST_ERRORS = {
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
  CURFEW_FORM_INVALID: {
    status: 403,
    title: 'The form does not belong to this session',
    action: 'Load the page again, and send its form.',
  },
  CURFEW_READ_ONLY: {
    status: 403,
    title: 'The dashboard is read-only',
    action: 'Use the command line, or set DASHBOARD_READ_ONLY to false.',
  },
  CURFEW_UNKNOWN_REVOCATION: {
    status: 404,
    title: 'No revocation has this id',
    action: 'Check the id. Finished revocations are deleted after RETENTION_DAYS.',
  },
  CURFEW_UNKNOWN_BATCH: {
    status: 404,
    title: 'The tenant has no batch with this id',
    action: 'Check the id and the tenant. A batch is deleted with its last revocation, after RETENTION_DAYS.',
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
  CURFEW_NOT_CANCELLABLE: {
    status: 409,
    title: 'This revocation cannot be cancelled',
    action: 'Cancel only queued, held and running revocations. Revoked tokens cannot be restored.',
  },
  CURFEW_SEVERAL_SENDERS: {
    status: 409,
    title: 'Several senders requested this revocation',
    action: 'Repeat the request with ?force=true if the requests of all of them are mistakes.',
  },
  CURFEW_OLDER_THAN_BATCH: {
    status: 409,
    title: 'The revocation was requested before the batch, which joined it',
    action: 'Repeat the request with ?force=true if the earlier request is a mistake, too.',
  },
  CURFEW_BATCH_FULL: {
    status: 409,
    title: 'The batch has no room for these users',
    action: 'Send them in another batch. A batch has room for 100,000 users.',
  },
  CURFEW_NO_AUDIT_TRAIL: {
    status: 409,
    title: 'The audit trail is off',
    action: 'Set AUDIT_RETENTION_DAYS to a positive number: events are entries of the audit trail.',
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
} as const satisfies ErrorSection
