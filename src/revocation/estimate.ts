import { hasEnded, type Revocation } from './revocation.ts'

/** When a revocation will have ended at the earliest, in ms since the epoch; null where nothing can be said. */
export type Estimate = (revocation: Revocation) => number | null

/** When `calls` more revoking calls to a tenant could all have started; ms since the epoch. */
export type BudgetEstimate = (tenant: string, calls: number) => number | null

/**
 * What the budget allows for the tokens that are known to remain. Before the first listing nothing is known, and
 * others may be served first, so this is the earliest time, not a promise.
 */
export function createEstimate(budgetEstimate: BudgetEstimate): Estimate {
  return (revocation) => {
    const { tenant, tokens, nextAttemptAt } = revocation
    if (hasEnded(revocation)) return null
    if (tokens.remaining === 0) return nextAttemptAt
    const at = budgetEstimate(tenant, tokens.remaining)
    return at === null ? nextAttemptAt : Math.max(at, nextAttemptAt ?? 0)
  }
}
