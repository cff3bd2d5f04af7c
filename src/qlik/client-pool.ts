import type { Clock } from '../base/clock.ts'
import { latest } from '../base/times.ts'
import type { CallOptions, QlikFailure } from '../revocation/qlik-tenant.ts'
import { toFailure } from '../revocation/retry-policy.ts'
import type { Allowance } from '../revocation/survey-plan.ts'
import { bestPower, type Found } from './best-power.ts'
import type { Tier } from './budget/permit-log.ts'
import type { Permit } from './budget/tier-gate.ts'
import { classOf, earliestOfAll, eligible, poolFreeAt, sumOf, TRY_AGAIN_MS } from './pool.ts'
import { mayConcernClient, type PoolClient } from './pool-client.ts'
import type { OwnPower } from './power.ts'

/** A removed client finishes the listings that it began, and is closed after this time. */
const CLOSE_REMOVED_AFTER_MS = 10 * 60_000

export interface ClientPoolOptions {
  clock: Clock
  /** Called when a client is taken out, and when it is used again: then with null. */
  onOutChange: (client: PoolClient, refusal: QlikFailure | null) => void
  /** Called when a removed client is closed. */
  onClosed: (client: PoolClient) => void
}

/** A permit of one client's budget. */
export interface Drawn {
  client: PoolClient
  permit: Permit
}

/**
 * The OAuth clients of a tenant. Distributes calls among them, takes out a client that Qlik refuses, and tries it again
 * after a minute. With a single client, a refusal is the tenant's failure instead.
 */
export class ClientPool {
  readonly #options: ClientPoolOptions
  #clients: readonly PoolClient[] = []
  readonly #removed = new Set<PoolClient>()
  /** Waiting calls, each with a function that chooses its clients again. */
  readonly #waiting = new Set<() => void>()
  readonly #timers = new Map<PoolClient, () => void>()

  constructor(options: ClientPoolOptions) {
    this.#options = options
  }

  /** The clients in use, in the order of the configuration. */
  get clients(): readonly PoolClient[] {
    return this.#clients
  }

  /** All clients whose budgets may be in use. */
  get all(): readonly PoolClient[] {
    return [...this.#clients, ...this.#removed]
  }

  /** Replaces the clients. Waiting calls use the new ones; a removed client makes only calls that must be its own. */
  replace(clients: readonly PoolClient[]): void {
    for (const client of this.#clients.filter((one) => !clients.includes(one))) {
      this.#removed.add(client)
      this.#schedule(client, CLOSE_REMOVED_AFTER_MS, () => this.#closeRemoved(client))
    }
    for (const client of clients.filter((one) => this.#removed.delete(one))) this.#cancel(client)
    this.#clients = clients
    this.refresh()
  }

  /** The client with this id, which may be removed. */
  find(clientId: string): PoolClient | undefined {
    return this.all.find((client) => client.clientId === clientId)
  }

  /** The clients that may make a call, best first. Only the preferred one if it is among them. */
  eligible(
    tier: Tier,
    { client, preferredClient }: Pick<CallOptions, 'client' | 'preferredClient'>,
    without: ReadonlySet<PoolClient>,
  ): PoolClient[] {
    if (client !== undefined) {
      const only = this.find(client)
      return only && !without.has(only) ? [only] : []
    }
    const all = eligible(this.#clients, without, ({ budget }) => budget.remaining(tier))
    const preferred = all.filter(({ clientId }) => clientId === preferredClient)
    return preferred.length > 0 ? preferred : all
  }

  /** Waiting calls choose their clients again. */
  refresh(): void {
    for (const update of [...this.#waiting]) update()
  }

  /**
   * Waits for a permit of the first client with an access token and room. Resolves to null if no eligible client has an
   * access token any more. Rejects with the signal's reason if that aborts first.
   */
  draw(tier: Tier, call: CallOptions, without: ReadonlySet<PoolClient>): Promise<Drawn | null> {
    const { urgency, place, signal, onWait } = call
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      /** How to leave each client's queue. */
      const entered = new Map<PoolClient, () => void>()
      let isOver = false
      let endWait = () => {}
      const end = () => {
        isOver = true
        endWait()
        for (const leave of entered.values()) leave()
        signal.removeEventListener('abort', onAbort)
        this.#waiting.delete(update)
      }
      const onAbort = () => {
        end()
        reject(signal.reason)
      }
      const update = () => {
        const clients = this.eligible(tier, call, without).filter((client) => client.currentGrant() !== null)
        if (clients.length === 0) {
          end()
          return resolve(null)
        }
        for (const [client, leave] of entered) {
          if (clients.includes(client)) continue
          leave()
          entered.delete(client)
        }
        for (const client of clients) {
          if (isOver) return
          if (entered.has(client)) continue
          const grant = (permit: Permit) => {
            end()
            resolve({ client, permit })
          }
          const leave = client.budget.enter(tier, { urgency, place, grant })
          if (!isOver) entered.set(client, leave)
        }
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(update)
      update()
      if (!isOver && onWait) endWait = onWait(this.#isBlocked(tier) ? 'qlik-rate-limit' : 'budget')
    })
  }

  #isBlocked(tier: Tier): boolean {
    return this.useful.every(({ budget }) => budget.blockedUntil(tier) !== null)
  }

  /** Takes out a client that Qlik refuses, unless it is the only one. */
  refuse(client: PoolClient, failure: QlikFailure): void {
    if (this.#clients.length === 1 || !this.#clients.includes(client)) return
    const isNew = client.refusedAt === null
    client.setRefused({ at: this.#options.clock.monotonic(), failure: toFailure(failure) })
    this.#schedule(client, TRY_AGAIN_MS, () => this.#tryAgain(client))
    if (!isNew) return
    this.#options.onOutChange(client, failure)
    this.refresh()
  }

  /** The client's power. A refusal takes the client out. */
  async powerOf(client: PoolClient, maxAgeMs?: number): Promise<OwnPower> {
    try {
      return await client.monitor.get(maxAgeMs)
    } catch (error) {
      if (mayConcernClient(error)) this.refuse(client, error)
      throw error
    }
  }

  /** The power of the most powerful client. Rejects only if no client's power can be found. */
  bestPower(maxAgeMs?: number): Promise<Found<PoolClient>> {
    const roomOf = ({ budget }: PoolClient) => budget.remaining(1)
    return bestPower(this.#clients, roomOf, (client) => this.powerOf(client, maxAgeMs))
  }

  /** When the next call could start if no client's window has room; ms since the epoch, null if there is room. */
  usedUpUntil(tier: Tier): number | null {
    const clients = this.useful
    const [only, ...others] = clients
    if (only && others.length === 0) return only.budget.usedUpUntil(tier)
    return earliestOfAll(
      clients.map(({ budget }) => latest(budget.usedUpUntil(tier), budget.blockedUntil(tier))),
    )
  }

  /** Number of calls of this tier that could start now. */
  remaining(tier: Tier): number {
    return this.useful.reduce((sum, { budget }) => sum + budget.remaining(tier), 0)
  }

  /** What the clients' limits allow together. */
  allowance(): Allowance {
    return sumOf(this.useful.map(({ budget }) => budget.allowance()))
  }

  /** Earliest time at which `calls` more calls of this tier could all have started; ms since the epoch. */
  estimate(tier: Tier, calls: number): number {
    return poolFreeAt(
      this.useful.map(
        ({ budget }) =>
          (nth) =>
            budget.estimate(tier, nth),
      ),
      calls,
    )
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  /** The clients that make calls; if all are out, all of them. */
  get useful(): readonly PoolClient[] {
    const useful = this.#clients.filter((client) => classOf(client) !== 'out')
    return useful.length > 0 ? useful : this.#clients
  }

  async #tryAgain(client: PoolClient): Promise<void> {
    client.renewGrant()
    try {
      await this.powerOf(client, 0)
      client.setRefused(null)
      if (classOf(client) !== 'out') this.#options.onOutChange(client, null)
      this.refresh()
    } catch (error) {
      // A refusal has already scheduled the next try.
      if (!mayConcernClient(error)) this.#schedule(client, TRY_AGAIN_MS, () => this.#tryAgain(client))
    }
  }

  #closeRemoved(client: PoolClient): void {
    this.#removed.delete(client)
    this.refresh()
    this.#options.onClosed(client)
  }

  #schedule(client: PoolClient, ms: number, work: () => void): void {
    this.#cancel(client)
    this.#timers.set(
      client,
      this.#options.clock.after(ms, () => {
        this.#timers.delete(client)
        work()
      }),
    )
  }

  #cancel(client: PoolClient): void {
    this.#timers.get(client)?.()
    this.#timers.delete(client)
  }
}
