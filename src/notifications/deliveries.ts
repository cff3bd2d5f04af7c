import { isDeepStrictEqual } from 'node:util'
import type { Check } from '../base/check.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ReceiverConfig, ReceiversConfig } from '../revocation/notification.ts'
import type { NotificationStore, ReceiverBacklog } from '../revocation/store/notification-store.ts'
import type { LookupAll } from './public-lookup.ts'
import { type ReceiverHealth, ReceiverQueue, type ReceiverQueueOptions } from './receiver-queue.ts'
import { createSend, type Message, type Sent } from './send.ts'

/** How often it looks for notifications that are due again, or that another process has added or lost. */
const LOOK_EVERY_MS = 10_000
const LOOKS_PER_SURVEY = 6
/** A notification that waits longer makes its receiver a warning of readiness. */
const LATE_MS = 60 * 60_000

export interface DeliveriesOptions {
  store: NotificationStore
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
  #looks = 0
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
    for (const [name, { queue }] of this.#queues) if (kept.get(name)?.queue !== queue) queue.stop()
    this.#queues = kept
    if (this.#isStarted) for (const { queue } of kept.values()) queue.look()
  }

  /** Idempotent. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    void this.#look()
  }

  /** @param receivers the names of those that may have something due */
  wake(receivers: Iterable<string>): void {
    if (!this.#isStarted) return
    for (const name of receivers) this.#queues.get(name)?.queue.look()
  }

  healthOf(name: string): ReceiverHealth | null {
    return this.#queues.get(name)?.queue.health() ?? null
  }

  /** Sends a message at once, whatever the state of the receiver, and stores nothing. Null if it is unknown. */
  async try(name: string, message: Message): Promise<Sent | null> {
    const receiver = this.#queues.get(name)?.receiver
    return receiver ? this.#sender.send(receiver, message) : null
  }

  /** A warning for each receiver that has fallen behind. */
  checks(): Check[] {
    const now = this.#options.clock.now()
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
    for (const { queue } of this.#queues.values()) queue.stop()
    await this.#sender.close()
  }

  #open(receiver: ReceiverConfig): ReceiverQueue {
    return new ReceiverQueue(receiver, { ...this.#options, send: () => this.#sender.send })
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options
    this.wake(this.#queues.keys())
    try {
      if (this.#looks % LOOKS_PER_SURVEY === 0) await this.#survey()
    } catch (error) {
      if (this.#isStarted) log.error({ err: error }, 'waiting notifications could not be counted; retrying')
    }
    this.#looks += 1
    if (this.#isStarted) this.#cancelTimer = clock.after(LOOK_EVERY_MS, () => void this.#look())
  }

  /** Ends what has waited for three days, and counts what waits. */
  async #survey(): Promise<void> {
    const { store, clock, log, onAttempt } = this.#options
    const ended = await store.giveUp(clock.now(), 'CURFEW_RECEIVER_UNAVAILABLE')
    for (const { receiver, type } of ended) onAttempt(receiver, type, 'failed')
    if (ended.length > 0)
      log.warn({ notifications: ended.length }, 'notifications were given up after three days')
    this.#backlog = await store.backlog()
  }
}
