import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { EndedSizes } from './ended-sizes.ts'
import { completionAt, type Estimate, hindranceOf, type Outlook } from './estimate.ts'
import type { Revocation } from './revocation.ts'
import type { QueueGroup } from './store/size-store.ts'
import type { RevocationStore } from './store.ts'
import { TenantQueue } from './tenant-queue.ts'
import { type TenantStatus, tenantStatus } from './tenant-status.ts'
import type { Hindrance } from './waiting-for.ts'

/** Reading the queue takes up to one part in this many of the time, so that a long queue costs little. */
const SHARE_OF_TIME = 20
/** Upper bound of the cost per revocation. A slower reading was waiting for other work, such as a burst. */
const MOST_MS_EACH = 0.01
const LEAST_MS = 1
/** Requests wait for a reading until it has taken this long. Then they get estimates from the last one. */
const WAIT_MS = 50
/** If reading takes longer than this, requests do not wait for it, and get estimates from the last one. */
const SHORT_MS = 5
/** If the last reading is older than this, requests wait in any case. */
const OLD_MS = 60_000
/** An answer to a signal starts a new reading if the last one is older, but does not wait for it. */
const LATEST_MS = 1_000

export interface EstimatesOptions {
  store: Pick<RevocationStore, 'queue'>
  clock: Clock
  log: Log
  /** What a tenant's limits allow; null if it is not configured. */
  outlook: (tenant: string) => Outlook | null
  /** Why a tenant's attempts fail; null if they do not. */
  failing: (tenant: string) => Hindrance | null
  /** Number of tokens that remain of a run of this process, which are newer than the stored ones; null if unknown. */
  remainingOf: (id: string) => number | null
}

/** Estimates from the last reading of the queue, which is shared by all requests. */
export class Estimates {
  readonly #options: EstimatesOptions
  readonly #ended = new EndedSizes()
  #groups = new Map<string, QueueGroup[]>()
  /** Built when they are needed. */
  #queues = new Map<string, TenantQueue>()
  #reading: Promise<void> | null = null
  /** Of the last reading, on the monotonic clock. */
  #readAt = Number.NEGATIVE_INFINITY
  /** When the current reading started. */
  #startedAt = 0
  #costMs = 0

  constructor(options: EstimatesOptions) {
    this.#options = options
  }

  /** Records the number of tokens of a user, for those whose tokens are not counted yet. */
  noteEnded(revocation: Revocation): void {
    if (revocation.status === 'completed') this.#ended.note(revocation)
  }

  /** Reads the queue again, and waits for it, but not long: a long queue is read less often, and in the background. Never rejects. */
  async refresh(): Promise<void> {
    const { clock } = this.#options
    this.#readAfter(SHARE_OF_TIME * this.#costMs)
    const isOld = clock.monotonic() - this.#readAt > OLD_MS
    if (this.#reading === null || (this.#costMs > SHORT_MS && !isOld)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(Math.max(0, this.#startedAt + WAIT_MS - clock.monotonic()), resolve)
    await Promise.race([this.#reading, promise])
    cancel()
  }

  /** Bound, so that it can be passed as a callback. */
  readonly estimate: Estimate = (revocation) => {
    this.#readAfter(Math.max(LATEST_MS, SHARE_OF_TIME * this.#costMs))
    const { id, tenant } = revocation
    const outlook = this.#options.outlook(tenant)
    if (outlook === null || this.hindranceOf(tenant, outlook) !== null) return null
    const remaining = this.#options.remainingOf(id)
    return completionAt({ revocation, remaining, queue: this.#queueOf(tenant), outlook })
  }

  /** Why no revocation of a tenant can proceed, or null. */
  hindranceOf(tenant: string, outlook = this.#options.outlook(tenant)): Hindrance | null {
    return hindranceOf(outlook, this.#options.failing(tenant))
  }

  /** The tenants with queued or running revocations. */
  tenants(): Iterable<string> {
    return this.#groups.keys()
  }

  statusOf(tenant: string): TenantStatus {
    const { outlook, failing } = this.#options
    return tenantStatus(tenant, this.#queueOf(tenant), { outlook: outlook(tenant), failing: failing(tenant) })
  }

  #queueOf(tenant: string): TenantQueue {
    const known = this.#queues.get(tenant)
    if (known) return known
    const queue = new TenantQueue(this.#groups.get(tenant) ?? [], this.#ended.of(tenant))
    this.#queues.set(tenant, queue)
    return queue
  }

  #readAfter(ms: number): void {
    if (this.#reading || this.#options.clock.monotonic() - this.#readAt < ms) return
    this.#reading = this.#read().finally(() => {
      this.#reading = null
    })
  }

  async #read(): Promise<void> {
    const { store, clock, log, remainingOf } = this.#options
    this.#startedAt = clock.monotonic()
    let mostMs = Number.POSITIVE_INFINITY
    try {
      const groups = (await store.queue()).map((group) =>
        group.isRunning ? { ...group, size: remainingOf(group.id) ?? group.size } : group,
      )
      this.#groups = Map.groupBy(groups, ({ tenant }) => tenant)
      this.#queues = new Map()
      mostMs = LEAST_MS + MOST_MS_EACH * groups.reduce((sum, { count }) => sum + count, 0)
    } catch (error) {
      log.warn({ err: error }, 'could not read the queue for estimates; the last reading is used')
    }
    this.#readAt = clock.monotonic()
    this.#costMs = Math.min(this.#readAt - this.#startedAt, mostMs)
  }
}
