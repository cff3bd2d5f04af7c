/** The first guess after Qlik refused a call that all known limits allow. */
const LOWER_BY = 0.7
/** For each window in which Qlik accepts calls without such a refusal. */
const RAISE_BY = 1.05

/** The limit that follows from a refusal under `limit` calls per window. */
export function lowered(limit: number): number {
  return Math.max(1, Math.floor(limit * LOWER_BY))
}

/**
 * The limit now: `calls` when it was learned, and 5 % more for each window since it began to rise. Null once it has reached
 * the sum of the clients' limits.
 */
export function raised(
  { calls, risingMs }: { calls: number; risingMs: number },
  { windowMs, ceiling }: { windowMs: number; ceiling: number },
): number | null {
  const windows = Math.max(0, Math.floor(risingMs / windowMs))
  const limit = Math.floor(calls * RAISE_BY ** windows)
  return limit < ceiling ? limit : null
}

/** One client's limit, if `clients` divide the learned limit among them. */
export function shareOf(learned: number | null, own: number, clients: number): number {
  return learned === null ? own : Math.min(own, Math.max(1, Math.floor(learned / clients)))
}
