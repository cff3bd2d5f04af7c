import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Erased } from './audit-log.ts'

export interface Erasure {
  id: string
  tenant: string
  /** Null while it runs. */
  outcome: { erased: Erased } | { error: unknown } | null
  /** Resolves when it has ended, with or without an error. */
  ended: Promise<void>
}

/** Number of ended erasures that are remembered. An operator who asks for an older one must repeat it. */
const KEPT = 100

/** The erasures of this process: those that run, and the last ones that have ended. */
export class Erasures {
  readonly #clock: Pick<Clock, 'after'>
  readonly #all = new Map<string, Erasure>()

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock
  }

  start(tenant: string, work: Promise<Erased>): Erasure {
    const erasure: Erasure = { id: randomUUID(), tenant, outcome: null, ended: Promise.resolve() }
    erasure.ended = work.then(
      (erased) => {
        erasure.outcome = { erased }
      },
      (error) => {
        erasure.outcome = { error }
      },
    )
    this.#all.set(erasure.id, erasure)
    const ended = [...this.#all.values()].filter(({ outcome }) => outcome !== null)
    for (const { id } of ended.slice(0, -KEPT)) this.#all.delete(id)
    return erasure
  }

  find(id: string): Erasure | null {
    return this.#all.get(id) ?? null
  }

  /** Waits until it has ended, but no longer than `ms`. */
  async wait({ ended }: Erasure, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.after(ms, resolve)
    await Promise.race([ended, promise])
    cancel()
  }
}
