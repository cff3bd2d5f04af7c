import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { NotificationType, ReceiverConfig } from '../revocation/notification.ts'
import type { ClaimedNotification, NotificationStore } from '../revocation/store/notification-store.ts'
import { nextAttemptAt } from './retry-schedule.ts'
import type { Send, Sent } from './send.ts'

/** Of one receiver. A slow receiver takes no room of others. */
const CONCURRENT_ATTEMPTS = 8
/** After this many failures in a row it is failing: then one attempt per interval finds out whether it is back. */
const FAILURES_IN_A_ROW = 5
const PROBE_EVERY_MS = 60_000

/** `failing`: it is tried once a minute. `paused`: it wants no notifications (410). */
export type ReceiverState = 'ok' | 'failing' | 'paused'

/** What this process knows about a receiver. Times in ms since the epoch. */
export interface ReceiverHealth {
  state: ReceiverState
  lastDeliveredAt: number | null
  lastFailure: { at: number; code: ErrorCode; httpStatus: number | null } | null
}

export interface ReceiverQueueOptions {
  store: Pick<NotificationStore, 'claim' | 'report'>
  send: () => Send
  /** For times that are stored: `steadyNow`. */
  now: () => number
  clock: Pick<Clock, 'monotonic'>
  random: () => number
  log: Log
  onAttempt: (receiver: string, type: NotificationType, result: 'delivered' | 'retried' | 'failed') => void
}

/** Sends the notifications of one receiver: several at a time, and one per minute while the receiver fails. */
export class ReceiverQueue {
  readonly #receiver: ReceiverConfig
  readonly #options: ReceiverQueueOptions
  readonly #inFlight = new Set<Promise<void>>()
  #isClaiming = false
  #mustClaimAgain = false
  #failuresInARow = 0
  /** When a receiver that is failing is tried again, monotonic; null for another one. */
  #probeAt: number | null = null
  #isGone = false
  #isStopped = false
  #lastDeliveredAt: number | null = null
  #lastFailure: ReceiverHealth['lastFailure'] = null

  constructor(receiver: ReceiverConfig, options: ReceiverQueueOptions) {
    this.#receiver = receiver
    this.#options = options
  }

  health(): ReceiverHealth {
    const state = this.#isGone ? 'paused' : this.#probeAt === null ? 'ok' : 'failing'
    return { state, lastDeliveredAt: this.#lastDeliveredAt, lastFailure: this.#lastFailure }
  }

  /** Sends what is due, as far as there is room. Called when there may be something, and regularly. */
  poll(): void {
    if (this.#isClaiming) this.#mustClaimAgain = true
    else void this.#claim()
  }

  /**
   * Claims nothing more. Resolves when no attempt is in flight. Those that fail now are sent again by another process, or
   * after the next start.
   */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#inFlight)
  }

  async #claim(): Promise<void> {
    const { store, now, log } = this.#options
    this.#isClaiming = true
    try {
      do {
        this.#mustClaimAgain = false
        const room = this.#room()
        if (room === 0) return
        const claimed = await store.claim(this.#receiver.name, now(), room)
        for (const one of claimed) this.#deliver(one)
      } while (this.#mustClaimAgain)
    } catch (error) {
      if (!this.#isStopped)
        log.error({ err: error, receiver: this.#receiver.name }, 'notifications could not be read; retrying')
    } finally {
      this.#isClaiming = false
    }
  }

  /** How many can be sent now. */
  #room(): number {
    if (this.#isStopped || this.#isGone) return 0
    if (this.#probeAt === null) return CONCURRENT_ATTEMPTS - this.#inFlight.size
    return this.#inFlight.size === 0 && this.#options.clock.monotonic() >= this.#probeAt ? 1 : 0
  }

  #deliver(one: ClaimedNotification): void {
    const attempt = this.#attempt(one).finally(() => {
      this.#inFlight.delete(attempt)
      if (!this.#isStopped) this.poll()
    })
    this.#inFlight.add(attempt)
  }

  async #attempt(one: ClaimedNotification): Promise<void> {
    const { store, send, log } = this.#options
    try {
      const sent = await send()(this.#receiver, one)
      if (sent.ok) this.#noteSuccess()
      // The failure is the end of this process, or the configuration that was replaced.
      else if (this.#isStopped) return
      else this.#noteFailure(sent)
      await store.report(one, this.#resultOf(one, sent))
    } catch (error) {
      log.error(
        { err: error, notification: one.id },
        'an attempt was not recorded; the notification is sent again',
      )
    }
  }

  #noteSuccess(): void {
    this.#failuresInARow = 0
    if (this.#probeAt === null) return
    this.#probeAt = null
    this.#options.log.info({ receiver: this.#receiver.name }, 'a receiver of notifications works again')
  }

  #noteFailure({ code, httpStatus }: Extract<Sent, { ok: false }>): void {
    const { now, clock, log } = this.#options
    const { name: receiver } = this.#receiver
    this.#lastFailure = { at: now(), code, httpStatus }
    this.#failuresInARow += 1
    if (this.#failuresInARow >= FAILURES_IN_A_ROW) {
      // Not for each failed probe.
      if (this.#probeAt === null) log.warn({ receiver, code }, 'a receiver of notifications fails')
      this.#probeAt = clock.monotonic() + PROBE_EVERY_MS
    }
    if (code !== 'CURFEW_RECEIVER_GONE' || this.#isGone) return
    this.#isGone = true
    log.warn({ receiver, code }, 'a receiver wants no notifications: it is paused')
  }

  #resultOf({ type, attempts, giveUpAt }: ClaimedNotification, sent: Sent) {
    const { random, onAttempt } = this.#options
    const { httpStatus } = sent
    const at = this.#options.now()
    const { name } = this.#receiver
    if (sent.ok) {
      this.#lastDeliveredAt = at
      onAttempt(name, type, 'delivered')
      return { status: 'delivered', at, httpStatus } as const
    }
    const { code, askedMs } = sent
    const dueAt = nextAttemptAt({ attempts, random: random(), askedMs, giveUpAt, now: at })
    onAttempt(name, type, dueAt === null ? 'failed' : 'retried')
    if (dueAt === null) return { status: 'failed', at, httpStatus, code } as const
    return { status: 'retry', at, httpStatus, code, dueAt } as const
  }
}
