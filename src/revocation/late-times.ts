import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { QlikTenants } from './qlik-tenant.ts'
import type { Revocation } from './revocation.ts'
import { clocksOf } from './run-time.ts'
import { isPending, resolve, signalTimeOf } from './signal-time.ts'
import type { RevocationStore } from './store.ts'

const CHECK_EVERY_MS = 1_000
/** Further ones are measured when they are claimed, and only lose precision if this process ends before that. */
const MAX_REMEMBERED = 10_000
const MAX_BATCH_SIZE = 500

export interface LateTimesOptions {
  store: Pick<RevocationStore, 'measure' | 'clock'>
  tenants: Pick<QlikTenants, 'ifOpen'>
  clock: Clock
  log: Log
}

/**
 * Measures the time of signals that were accepted before the tenant's clock was known, as soon as it is known: the
 * process that accepted them may end before they are claimed, and on SQLite its clock ends with it.
 */
export class LateTimes {
  readonly #options: LateTimesOptions
  /** Revocation ids by tenant. */
  readonly #waiting = new Map<string, Set<string>>()
  #count = 0
  #cancelTimer: (() => void) | null = null
  #isStopped = false

  constructor(options: LateTimesOptions) {
    this.#options = options
  }

  /** Remembers the revocations whose time is not measured yet. */
  note(revocations: readonly Revocation[]): void {
    for (const revocation of revocations) {
      if (this.#count >= MAX_REMEMBERED || !isPending(signalTimeOf(revocation))) continue
      const ids = this.#waiting.get(revocation.tenant) ?? new Set()
      // A later signal may have joined the same revocation.
      if (ids.has(revocation.id)) continue
      ids.add(revocation.id)
      this.#waiting.set(revocation.tenant, ids)
      this.#count += 1
    }
    this.#checkLater()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimer?.()
  }

  #checkLater(): void {
    if (this.#cancelTimer || this.#isStopped || this.#waiting.size === 0) return
    this.#cancelTimer = this.#options.clock.after(CHECK_EVERY_MS, async () => {
      await this.#check()
      this.#cancelTimer = null
      this.#checkLater()
    })
  }

  async #check(): Promise<void> {
    const { store, tenants, clock, log } = this.#options
    for (const [tenant, ids] of this.#waiting) {
      const offset = tenants.ifOpen(tenant)?.clockOffset() ?? null
      if (offset === null) continue
      const some = [...ids].slice(0, MAX_BATCH_SIZE)
      try {
        await store.measure(some, (time) => resolve(time, clocksOf(clock, offset, store.clock())))
      } catch (error) {
        log.warn({ err: error, tenant }, 'could not store signal times; retrying')
        return
      }
      for (const id of some) ids.delete(id)
      this.#count -= some.length
      if (ids.size === 0) this.#waiting.delete(tenant)
    }
  }
}
