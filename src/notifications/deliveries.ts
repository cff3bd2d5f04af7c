import { isDeepStrictEqual } from 'node:util'
import type { Check } from '../base/check.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ReceiverConfig, ReceiversConfig } from '../revocation/notification.ts'
import {
  NOTIFICATION_LEASE_MS,
  type NotificationStore,
  type ReceiverBacklog,
} from '../revocation/store/notification-store.ts'
import type { LookupAll } from './public-lookup.ts'
import { type ReceiverHealth, ReceiverQueue, type ReceiverQueueOptions } from './receiver-queue.ts'
import { createSend, type Message, type Sent } from './send.ts'

/** How often it looks for notifications that are due again, or that another process has added or lost. */
const POLL_EVERY_MS = 10_000
const POLLS_PER_COUNT = 6
/** Time for attempts in flight when the service stops. */
const STOP_MS = 2_000
/**
 * Nothing is given up in the first minutes, so that everything is tried once more after a long downtime. Longer than a lease,
 * so that no attempt is in flight then.
 */
const GRACE_MS = 10 * NOTIFICATION_LEASE_MS
/** A notification that waits longer makes its receiver a warning of readiness. */
const LATE_MS = 60 * 60_000

export interface DeliveriesOptions {
  store: NotificationStore
  /** For times that are stored: `steadyNow`. */
  now: () => number
  clock: Clock
  random: () => number
  log: Log
  onAttempt: ReceiverQueueOptions['onAttempt']
  lookup?: LookupAll | undefined
}

/** Sends notifications to all receivers of the configuration, until it is stopped. */
export class Deliveries {
  readonly #options: DeliveriesOptions
  #queues = new Map<string, { receiver: ReceiverConfig; queue: ReceiverQueue }>()
  #networks: readonly string[] = []
  #sender: ReturnType<typeof createSend>
  #backlog: readonly ReceiverBacklog[] = []
  #polls = 0
  /** When it was started, monotonic. */
  #startedAt = 0
  #cancelTimer = () => {}
  #isStarted = false

  constructor(options: DeliveriesOptions) {
    this.#options = options
    this.#sender = createSend({ ...options, networks: [] })
  }

  /** An unchanged receiver keeps its state. What was claimed for a removed one is due again after its lease. */
  replace({ list, networks }: ReceiversConfig): void {
    if (!isDeepStrictEqual(networks, this.#networks)) {
      void this.#sender.close()
      this.#sender = createSend({ ...this.#options, networks })
      this.#networks = networks
    }
    const kept = new Map(
      list.map((receiver) => {
        const known = this.#queues.get(receiver.name)
        const isUnchanged = known && isDeepStrictEqual(known.receiver, receiver)
        return [receiver.name, isUnchanged ? known : { receiver, queue: this.#open(receiver) }] as const
      }),
    )
    for (const [name, { queue }] of this.#queues) if (kept.get(name)?.queue !== queue) void queue.stop()
    this.#queues = kept
    if (this.#isStarted) for (const { queue } of kept.values()) queue.poll()
  }

  /** Idempotent. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#startedAt = this.#options.clock.monotonic()
    void this.#poll()
  }

  /** @param receivers the names of those that may have something due */
  wake(receivers: Iterable<string>): void {
    if (!this.#isStarted) return
    for (const name of receivers) this.#queues.get(name)?.queue.poll()
  }

  healthOf(name: string): ReceiverHealth | null {
    return this.#queues.get(name)?.queue.health() ?? null
  }

  /** Sends a message at once, whatever the state of the receiver, and stores nothing. Null if it is unknown. */
  async try(name: string, message: Message): Promise<Sent | null> {
    const receiver = this.#queues.get(name)?.receiver
    return receiver ? this.#sender.send(receiver, message) : null
  }

  /** What waited for each receiver within the last minute. */
  backlog(): readonly ReceiverBacklog[] {
    return this.#backlog
  }

  /** A warning for each receiver that has fallen behind. */
  checks(): Check[] {
    const now = this.#options.now()
    return [...this.#queues].flatMap(([name, { queue }]): Check[] => {
      const { oldestPendingAt = null } = this.#backlog.find(({ receiver }) => receiver === name) ?? {}
      if (oldestPendingAt === null || now - oldestPendingAt <= LATE_MS) return []
      const { lastFailure } = queue.health()
      const reason = lastFailure ? `: ${lastFailure.code}` : ''
      const detail = `Notifications wait for more than an hour${reason}. See GET /receivers.`
      return [{ name: `receiver:${name}`, status: 'warning', detail }]
    })
  }

  async stop(): Promise<void> {
    this.#isStarted = false
    this.#cancelTimer()
    const queues = [...this.#queues.values()].map(({ queue }) => queue.stop())
    const { promise: timeout, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(STOP_MS, resolve)
    await Promise.race([Promise.all(queues), timeout])
    cancel()
    await this.#sender.destroy()
  }

  #open(receiver: ReceiverConfig): ReceiverQueue {
    return new ReceiverQueue(receiver, { ...this.#options, send: () => this.#sender.send })
  }

  async #poll(): Promise<void> {
    const { clock } = this.#options
    this.wake(this.#queues.keys())
    if (this.#polls % POLLS_PER_COUNT === 0) {
      await this.#giveUp()
      await this.#count()
    }
    this.#polls += 1
    if (this.#isStarted) this.#cancelTimer = clock.after(POLL_EVERY_MS, () => void this.#poll())
  }

  /** Ends what has waited for three days, also for receivers that were removed. */
  async #giveUp(): Promise<void> {
    const { store, now, clock, log, onAttempt } = this.#options
    if (clock.monotonic() - this.#startedAt < GRACE_MS) return
    let notifications = 0
    try {
      for (let wereThere = true; wereThere && this.#isStarted; ) {
        const ended = await store.giveUp(now(), 'CURFEW_RECEIVER_UNAVAILABLE')
        for (const { receiver, type } of ended) onAttempt(receiver, type, 'failed')
        notifications += ended.length
        wereThere = ended.length > 0
      }
    } catch (error) {
      if (this.#isStarted) log.error({ err: error }, 'notifications could not be given up; retrying')
    }
    if (notifications > 0) log.warn({ notifications }, 'notifications were given up after three days')
  }

  async #count(): Promise<void> {
    const { store, log } = this.#options
    try {
      this.#backlog = await store.backlog()
    } catch (error) {
      if (this.#isStarted) log.error({ err: error }, 'waiting notifications could not be counted; retrying')
    }
  }
}
