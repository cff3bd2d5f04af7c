import { setMaxListeners } from 'node:events'
import type { Revocation } from './revocation.ts'
import { type Room, remainingRoom } from './schedule.ts'
import type { Reason } from './signal.ts'

/** A revocation that this process runs. */
export interface Run {
  readonly revocation: Revocation
  readonly stop: AbortController
}

/**
 * Tracks what this process runs and how many more runs it may start: a share for each tenant, and fewer for a failing
 * one.
 */
export class Runs {
  readonly #perTenant: () => number
  readonly #runs = new Map<string, Run>()
  readonly #failingTenants = new Set<string>()

  /** @param perTenant current maximum number of runs per tenant, for each reason separately */
  constructor(perTenant: () => number) {
    this.#perTenant = perTenant
  }

  /**
   * Starts a run. An earlier run of the same revocation that is still winding down is stopped: it was lost, and
   * claimed again.
   */
  begin(revocation: Revocation): Run {
    this.stop(revocation.id)
    const stop = new AbortController()
    setMaxListeners(0, stop.signal)
    const run = { revocation, stop }
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

  /** Records whether a tenant works, as an attempt has just shown. */
  noteAttempt({ tenant }: Revocation, works: boolean): void {
    if (works) this.#failingTenants.delete(tenant)
    else this.#failingTenants.add(tenant)
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
  room(): Record<Reason, Room> {
    const roomOf = (reason: Reason) => this.#roomOf((revocation) => revocation.reason === reason)
    return {
      security: roomOf('security'),
      logout: roomOf('logout'),
      'session-expired': roomOf('session-expired'),
    }
  }

  /** How many more runs may start, for all reasons together. */
  roomOfAll(): Room {
    return this.#roomOf(() => true)
  }

  #roomOf(counts: (revocation: Revocation) => boolean): Room {
    const running = [...this.#runs.values()].map(({ revocation }) => revocation).filter(counts)
    const failing = this.#failingTenants
    return remainingRoom(
      running.map(({ tenant }) => tenant),
      { perTenant: this.#perTenant(), failing },
    )
  }
}
