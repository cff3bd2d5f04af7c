import type { ErrorSection } from './error-section.ts'

/** Failures of calls to Qlik Cloud. */
export const QLIK_CLOUD_ERRORS = {
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
    action: 'Assign the role TenantAdmin to the bot user of the OAuth client. Curfew detects the change.',
  },
  CURFEW_SCOPE_TOO_NARROW: {
    status: 502,
    title: 'Qlik Cloud granted the OAuth client less than the scope admin_classic',
    action:
      'Allow the scope admin_classic for the OAuth client in the Qlik administration, and check QLIK_SCOPE. Curfew ' +
      'detects the change within five minutes.',
  },
} as const satisfies ErrorSection
