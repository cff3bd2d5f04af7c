import { hasEnded, type Revocation } from './revocation.ts'

/** Earliest time at which a revocation can end, in ms since the epoch; null if unknown. */
export type Estimate = (revocation: Revocation) => number | null

/** When `calls` more revoking calls to a tenant can all have started; ms since the epoch. */
export type BudgetEstimate = (tenant: string, calls: number) => number | null

/**
 * Estimates from the budget and the tokens known to remain. Before the first listing nothing is known, and other
 * revocations may be served first, so this is the earliest time, not a promise.
 */
export function createEstimate(budgetEstimate: BudgetEstimate): Estimate {
  return (revocation) => {
    const { tenant, tokens, nextAttemptAt } = revocation
    if (hasEnded(revocation) || revocation.status === 'held') return null
    if (tokens.remaining === 0) return nextAttemptAt
    const at = budgetEstimate(tenant, tokens.remaining)
    return at === null ? nextAttemptAt : Math.max(at, nextAttemptAt ?? 0)
  }
}
