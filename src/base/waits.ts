/** `waitingFor` of a revocation or a tenant. */
export interface Wait {
  what: string
  until: string | null
}

/** Each `what` of a wait, as the object of "waits for". */
export const WAITS: Record<string, string> = {
  'qlik-rate-limit': 'Qlik’s rate limit',
  budget: 'the rate limit, which is used up',
  'tenant-failing': 'the tenant, whose last attempts failed',
  'client-refused': 'the OAuth client, which Qlik refuses',
  'unknown-tenant': 'its tenant, which is not configured',
  'other-run': 'another run for the same user',
  listing: 'Qlik’s list to become stable',
}
