/** Calls to a tenant that the budget allows. */
export interface Allowance {
  /** Revoking calls: in a window, and now. */
  permitsPerWindow: number
  permits: number
  /** Reads: in a window, and now. */
  readsPerWindow: number
  reads: number
}

export interface SurveyNeed extends Allowance {
  /** Number of tokens that the current runs still have to revoke, as far as known. */
  tokens: number
  /** Number of queued revocations without a size. */
  unsized: number
  /** Pages of the last list of all tokens of the tenant, or how many were read before it was given up; null if unknown. */
  pages: number | null
}

/** How to count the tokens: `by-user` takes at least one call for each user, `whole-tenant` one for each 100 tokens. */
export type SurveyWay = 'none' | 'by-user' | 'whole-tenant'

/** For fewer users, the list of the whole tenant is not worth trying. */
const FEW = 10
/** The rest is for the listings of runs and confirmations, which a survey must not delay. */
const SHARE_OF_READS = 0.5

/**
 * Whether to count the tokens of users that wait, and how. Pure.
 *
 * As long as the budget suffices for all of them, with at least one token each, the order is irrelevant, and each run lists
 * its user anyway. Otherwise the cheaper way is chosen. The number of pages of the whole tenant is unknown at first: its list
 * is begun, and given up after as many pages as there are users, so the choice costs at most twice the cheaper way.
 */
export function planSurvey({
  permits,
  tokens,
  unsized,
  reads,
  readsPerWindow,
  pages,
}: SurveyNeed): SurveyWay {
  if (unsized === 0 || tokens + unsized <= permits) return 'none'
  if (reads < readsPerWindow * (1 - SHARE_OF_READS)) return 'none'
  return unsized > FEW && (pages ?? 0) < unsized ? 'whole-tenant' : 'by-user'
}
