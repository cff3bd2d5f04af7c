import { comingText } from './times.ts'

/** `waitingFor` of a revocation or a tenant. */
export interface Wait {
  what: string
  until: string | null
}

export const WAITS: Record<string, string> = {
  'qlik-rate-limit': 'Qlik’s rate limit',
  budget: 'the rate limit, which is used up',
  'tenant-failing': 'the tenant, whose last attempts failed',
  'client-refused': 'the OAuth client, which Qlik refuses',
  'unknown-tenant': 'its tenant, which is not configured',
  'other-run': 'another run for the same user',
  listing: 'Qlik’s list to become stable',
}

/** What revocations wait for, and until when, in a sentence. */
export function waitText({ what, until }: Wait, now?: number): string {
  return `Waits for ${WAITS[what] ?? what}${until ? `, until ${comingText(until, now)}` : ''}.`
}
