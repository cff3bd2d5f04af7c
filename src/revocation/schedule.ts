import { REASONS, type Reason } from './signal.ts'

// The order in which users are served. Urgency first (`REASONS`); within an urgency, tenants in turn; within a tenant,
// the oldest first. Each urgency and each tenant has its own room, so revocations that wait for a tenant's rate limit
// delay neither more urgent ones nor other tenants. Both stores claim by these rules: `due` in
// stores/sqlite/statements.ts, and `fetch` in stores/postgres/jobs.ts. A more urgent signal for a user who already waits
// or runs comes first: see `join` in transitions.ts and `#giveWay` in worker.ts. Calls that wait for the budget are ordered
// in qlik/budget/tier-gate.ts.

/** Urgency of a reason; 0 is the most urgent. */
export function urgencyOf(reason: Reason): number {
  return REASONS.indexOf(reason)
}

/** Maximum number of runs of one urgency in a process. High, because runs of a tenant that hangs only wait. */
const RUNS_PER_REASON = 1_000
/** For a tenant that fails: enough to notice when it works again. */
const RUNS_WHILE_FAILING = 1

/** How many revocations may be claimed. */
export interface Room {
  total: number
  /** Maximum per tenant, so that a slow or unavailable tenant leaves room for the others. */
  perTenant: number
  /**
   * Tenants with a lower maximum than `perTenant`. Stores must enforce a maximum of 0 exactly; others may be
   * approximate.
   */
  exceptions: ReadonlyMap<string, number>
}

/**
 * The room that the current runs leave.
 * @param running the tenant of each run
 * @param failing tenants whose last attempt failed
 */
export function remainingRoom(
  running: readonly string[],
  { perTenant, failing }: { perTenant: number; failing: ReadonlySet<string> },
): Room {
  const counts = new Map<string, number>()
  for (const tenant of running) counts.set(tenant, (counts.get(tenant) ?? 0) + 1)
  const exceptions = new Map<string, number>()
  for (const tenant of new Set([...counts.keys(), ...failing])) {
    const most = failing.has(tenant) ? RUNS_WHILE_FAILING : perTenant
    exceptions.set(tenant, Math.max(0, most - (counts.get(tenant) ?? 0)))
  }
  return { total: RUNS_PER_REASON - running.length, perTenant, exceptions }
}

/**
 * Divides the room between tenants, so that a long backlog of one does not delay the others.
 * @param tenants those with something due, the longest due first
 */
export function shareRoom(
  { total, perTenant, exceptions }: Room,
  tenants: readonly string[],
): { tenant: string; limit: number }[] {
  const roomOf = (tenant: string) => exceptions.get(tenant) ?? perTenant
  const open = tenants.filter((tenant) => roomOf(tenant) > 0)
  const share = Math.max(1, Math.floor(total / open.length))
  return open
    .slice(0, Math.max(0, total))
    .map((tenant) => ({ tenant, limit: Math.min(share, roomOf(tenant)) }))
}
