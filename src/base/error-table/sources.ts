import type { ErrorSection } from './error-section.ts'

/** Answers to requests of sources, and failures of their documents and event streams. */
export const SOURCE_ERRORS = {
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
} as const satisfies ErrorSection
