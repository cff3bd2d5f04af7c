import type { ErrorSection } from './error-section.ts'

/** Errors that only a revocation has. */
export const REVOCATION_ERRORS = {
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
} as const satisfies ErrorSection
