import { REASONS, type Reason } from './signal.ts'

// The order in which users are served; docs/order-of-revocations.md explains it. Urgency first (`REASONS`); within an
// urgency, tenants in turn; within a tenant, the users with the fewest tokens, and a reserve for the oldest. Each urgency
// and each tenant has its own room, so revocations that wait for a tenant's rate limit delay neither more urgent ones nor
// other tenants. Both stores claim by these rules: by size in `sized.ts` of each store, by age in `due` of
// stores/sqlite/statements.ts and stores/postgres/job-table.ts. A more urgent signal for a user who already waits or
// runs comes first: see `join` in joined-signals.ts and `#giveWay` in worker.ts. Calls that wait for the budget are ordered
// by qlik/budget/tier-gate.ts.

/** Urgency of a reason; 0 is the most urgent. */
export function urgencyOf(reason: Reason): number {
  return REASONS.indexOf(reason)
}

/** What decides between calls of the same urgency. Read at each decision: the number of tokens decreases during a run. */
export interface Place {
  /** Number of tokens of the user that remain. */
  readonly remaining: number
  /** When the revocation was accepted. */
  readonly since: number
}

/** One permit in this many goes to the oldest revocation, so that a user with many tokens is not served last forever. */
export const RESERVE_EVERY = 10

/** A call without a place is served first: it is one of a few that others depend on, such as a listing. */
const FIRST: Place = { remaining: 0, since: Number.NEGATIVE_INFINITY }

/**
 * The index of the call that gets the next permit: one of the most urgent; among them the user with the fewest remaining
 * tokens, which minimizes the mean time until users are logged out, or, for every tenth permit, the oldest. Users accepted
 * in the same ms, such as those of one request, have the same age; of them, the one with the fewest tokens is first. With P
 * tokens of users who are not younger before a user with k tokens, no more than 10 (P + k) permits are given before that
 * user has none left. Of equals, the first.
 * @param granted number of permits given before while calls waited
 * @returns -1 if none waits
 */
export function nextInLine(
  waiting: readonly { urgency: number; place?: Place | undefined }[],
  granted: number,
): number {
  const precedes = (granted + 1) % RESERVE_EVERY === 0 ? isOlder : isShorter
  let best = -1
  let first: (typeof waiting)[number] | undefined
  for (const [index, one] of waiting.entries()) {
    const isBefore =
      first === undefined ||
      one.urgency < first.urgency ||
      (one.urgency === first.urgency && precedes(one.place ?? FIRST, first.place ?? FIRST))
    if (!isBefore) continue
    best = index
    first = one
  }
  return best
}

function isOlder(one: Place, other: Place): boolean {
  return one.since === other.since ? one.remaining < other.remaining : one.since < other.since
}

function isShorter(one: Place, other: Place): boolean {
  return one.remaining === other.remaining ? one.since < other.since : one.remaining < other.remaining
}

/** Maximum number of runs of one urgency in a process. High, because runs of a tenant that hangs only wait. */
export const RUNS_PER_REASON = 1_000
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
  /** Additional room for revocations of known size; by default none. */
  bySize?: RoomBySize
}

/** Room for the revocations with the fewest tokens, regardless of their age. */
export interface RoomBySize {
  total: number
  /** @param sizes of a tenant's queued revocations, the fewest tokens first; returns how many may be claimed */
  take: (tenant: string, sizes: readonly number[]) => number
}

/** A run of a tenant, as far as the order of others depends on it. */
export interface Running {
  /** The size when it was claimed; null if it was unknown. */
  size: number | null
  /** Number of tokens that remain; null before the first listing. */
  remaining: number | null
}

const tokensOf = ({ size, remaining }: Running) => remaining ?? size ?? 1

/**
 * Whether a run goes before a revocation of this size. One that had fewer tokens when it was counted also does: otherwise
 * any number of users who got a token since, at size 0, would run at once.
 */
const goesBefore = (run: Running, size: number) =>
  Math.min(run.size ?? Number.POSITIVE_INFINITY, tokensOf(run)) <= size

/**
 * How many queued revocations to claim by size: those whose tokens, after those of runs with no more tokens, begin within
 * the permits of one window. So when a window opens, the users with the fewest tokens are already listed, and their calls
 * wait for the permits. More would only wait longer.
 * @param sizes of queued revocations, ascending
 */
export function fittingWindow(
  sizes: readonly number[],
  running: readonly Running[],
  permits: number,
): number {
  let before = 0
  let count = 0
  for (const size of sizes) {
    const ahead = running.reduce((sum, run) => sum + (goesBefore(run, size) ? tokensOf(run) : 0), before)
    if (ahead >= permits) break
    before += size
    count += 1
  }
  return count
}

/**
 * The room that the current runs leave.
 * @param running the tenant of each run
 * @param failing tenants whose last attempt failed, and whether their pause is over
 */
export function remainingRoom(
  running: readonly string[],
  { perTenant, failing }: { perTenant: number; failing: ReadonlyMap<string, boolean> },
): Room {
  const counts = new Map<string, number>()
  for (const tenant of running) counts.set(tenant, (counts.get(tenant) ?? 0) + 1)
  const exceptions = new Map<string, number>()
  for (const tenant of new Set([...counts.keys(), ...failing.keys()])) {
    const mayTry = failing.get(tenant)
    const most = mayTry === undefined ? perTenant : mayTry ? RUNS_WHILE_FAILING : 0
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

/** The most that one claim takes of a tenant by size. */
export const CLAIMED_BY_SIZE = 100

/**
 * How many revocations of each tenant to claim by size. Tenants share the room, but the first ones get at least one each.
 * @param tenants those with something due
 * @param sizesOf the sizes of a tenant's revocations that are due, the fewest tokens first; up to `limit`
 */
export function shareRoomBySize(
  { total, take }: RoomBySize,
  tenants: readonly string[],
  sizesOf: (tenant: string, limit: number) => readonly number[],
): { tenant: string; count: number }[] {
  const share = Math.min(CLAIMED_BY_SIZE, Math.max(1, Math.floor(total / tenants.length)))
  const shares: { tenant: string; count: number }[] = []
  let left = total
  for (const tenant of tenants) {
    if (left <= 0) break
    const count = take(tenant, sizesOf(tenant, share))
    left -= count
    if (count > 0) shares.push({ tenant, count })
  }
  return shares
}
