import { setMaxListeners } from 'node:events'
import { FailingTenants } from './failing-tenants.ts'
import type { Revocation } from './revocation.ts'
import {
  fittingWindow,
  type Room,
  type RoomBySize,
  RUNS_PER_REASON,
  type Running,
  remainingRoom,
} from './schedule.ts'
import type { Reason } from './signal.ts'

/** A revocation that this process runs. */
export interface Run {
  readonly revocation: Revocation
  readonly stop: AbortController
  /** Number of tokens that remain; null before the first listing. */
  remaining: number | null
  /**
   * Whether it fitted into the next window when it began. Such runs do not count against the room for claims by age, so that
   * the oldest revocation, for which every tenth permit is reserved, always finds room.
   */
  readonly isBySize: boolean
}

/**
 * Tracks what this process runs and how many more runs it may start: a share for each tenant, and fewer for a failing
 * one.
 */
export class Runs {
  /** The caller records each attempt. */
  readonly failing = new FailingTenants()
  readonly #perTenant: () => number
  readonly #permits: (tenant: string) => number
  readonly #runs = new Map<string, Run>()

  /**
   * @param perTenant current maximum number of runs per tenant, for each reason separately
   * @param permits number of revoking calls that a tenant allows in a window; 0 if unknown
   */
  constructor(perTenant: () => number, permits: (tenant: string) => number = () => 0) {
    this.#perTenant = perTenant
    this.#permits = permits
  }

  /**
   * Starts a run. An earlier run of the same revocation that is still winding down is stopped: it was lost, and
   * claimed again.
   */
  begin(revocation: Revocation): Run {
    this.stop(revocation.id)
    const stop = new AbortController()
    setMaxListeners(0, stop.signal)
    const run: Run = { revocation, stop, remaining: null, isBySize: this.#fits(revocation) }
    this.#runs.set(revocation.id, run)
    return run
  }

  end(run: Run): void {
    if (this.isLatest(run)) this.#runs.delete(run.revocation.id)
  }

  /** The current run of this revocation, if any. */
  get(id: string): Run | undefined {
    return this.#runs.get(id)
  }

  /**
   * Whether this is the current run of its revocation. If the run was lost and the revocation claimed again, only the
   * new run may report.
   */
  isLatest(run: Run): boolean {
    return this.#runs.get(run.revocation.id) === run
  }

  stop(id: string): void {
    this.#runs.get(id)?.stop.abort()
  }

  stopAll(): void {
    for (const id of this.#runs.keys()) this.stop(id)
  }

  get isEmpty(): boolean {
    return this.#runs.size === 0
  }

  /**
   * How many more runs may start, for each reason separately, so that waiting runs do not keep a more urgent one from
   * starting.
   */
  room(now: number): Record<Reason, Room> {
    const roomOf = (reason: Reason) => this.#roomOf(now, (revocation) => revocation.reason === reason)
    return {
      security: roomOf('security'),
      logout: roomOf('logout'),
      'session-expired': roomOf('session-expired'),
    }
  }

  /** How many more runs may start, for all reasons together. */
  roomOfAll(now: number): Room {
    return this.#roomOf(now, () => true)
  }

  /** Number of tokens that the current runs of each tenant still have to revoke, as far as known. */
  tokens(): Map<string, number> {
    const tokens = new Map<string, number>()
    for (const { revocation, remaining } of this.#runs.values())
      tokens.set(revocation.tenant, (tokens.get(revocation.tenant) ?? 0) + (remaining ?? 1))
    return tokens
  }

  #fits({ tenant, reason, size }: Revocation): boolean {
    if (size === null) return false
    const others = [...this.#runs.values()].filter(
      ({ revocation }) => revocation.tenant === tenant && revocation.reason === reason,
    )
    return fittingWindow([size], others.map(runningOf), this.#permits(tenant)) > 0
  }

  #roomOf(now: number, counts: (revocation: Revocation) => boolean): Room {
    const running = [...this.#runs.values()].filter(({ revocation }) => counts(revocation))
    const byTenant = Map.groupBy(running.map(runningOf), ({ tenant }) => tenant)
    const byAge = running.filter(({ isBySize }) => !isBySize)
    const room = remainingRoom(
      byAge.map(({ revocation }) => revocation.tenant),
      { perTenant: this.#perTenant(), failing: this.failing.pauses(now) },
    )
    return { ...room, bySize: this.#roomBySize(byTenant, running.length - byAge.length) }
  }

  #roomBySize(byTenant: ReadonlyMap<string, readonly Running[]>, count: number): RoomBySize {
    return {
      total: RUNS_PER_REASON - count,
      take: (tenant, sizes) => {
        // A failing tenant gets one run at a time, by age.
        if (this.failing.has(tenant)) return 0
        const runs = byTenant.get(tenant) ?? []
        const listing = runs.filter(({ remaining }) => remaining === null).length
        const room = Math.max(0, this.#perTenant() - listing)
        return Math.min(room, fittingWindow(sizes.slice(0, room), runs, this.#permits(tenant)))
      },
    }
  }
}

function runningOf({ revocation: { tenant, size }, remaining }: Run): Running & { tenant: string } {
  return { tenant, size, remaining }
}
