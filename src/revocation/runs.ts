import { setMaxListeners } from 'node:events'
import type { Revocation } from './revocation.ts'
import { REASONS, type Reason } from './signal.ts'
import type { Room } from './store.ts'

/** Of all tenants together, for each reason: many, since those of a tenant that hangs only wait. */
const RUNS_PER_REASON = 1_000
/** Of a tenant that does not work: enough to notice when it does again. */
const RUNS_WHILE_FAILING = 1

/** A revocation that this process is running. */
export interface Run {
  readonly revocation: Revocation
  readonly stop: AbortController
}

/** What this process runs, and how much more it may: of each tenant a part, and little of one that does not work. */
export class Runs {
  readonly #perTenant: () => number
  readonly #runs = new Map<string, Run>()
  readonly #failingTenants = new Set<string>()

  /** @param perTenant runs of one tenant at most, for each reason on its own; as it is now */
  constructor(perTenant: () => number) {
    this.#perTenant = perTenant
  }

  /** A run begins. One of the same revocation that is still winding down is stopped: it was lost, and claimed anew. */
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

  /** What runs of this revocation, if anything does. */
  get(id: string): Run | undefined {
    return this.#runs.get(id)
  }

  /** Whether its revocation is still this run's: if it was lost and claimed anew, it is the new one's to report on. */
  isLatest(run: Run): boolean {
    return this.#runs.get(run.revocation.id) === run
  }

  /** Whether a tenant works, as an attempt has just shown. */
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

  /** How many more may begin. Reasons are apart, so that what waits does not keep a more urgent one from starting. */
  room(): Record<Reason, Room> {
    const [security, logout, expired] = REASONS.map((reason) =>
      this.#roomOf((revocation) => revocation.reason === reason),
    ) as [Room, Room, Room]
    return { security, logout, 'session-expired': expired }
  }

  /** How many more may begin, whatever their reasons. */
  roomOfAll(): Room {
    return this.#roomOf(() => true)
  }

  #roomOf(counts: (revocation: Revocation) => boolean): Room {
    const running = new Map<string, number>()
    let total = RUNS_PER_REASON
    for (const { revocation } of this.#runs.values()) {
      if (!counts(revocation)) continue
      running.set(revocation.tenant, (running.get(revocation.tenant) ?? 0) + 1)
      total -= 1
    }
    const perTenant = this.#perTenant()
    const exceptions = new Map<string, number>()
    for (const tenant of new Set([...running.keys(), ...this.#failingTenants])) {
      const most = this.#failingTenants.has(tenant) ? RUNS_WHILE_FAILING : perTenant
      exceptions.set(tenant, Math.max(0, most - (running.get(tenant) ?? 0)))
    }
    return { total, perTenant, exceptions }
  }
}
