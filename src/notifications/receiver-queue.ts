import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
} from 'cockatiel'
import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { NotificationType, ReceiverConfig } from '../revocation/notification.ts'
import type { ClaimedNotification, NotificationStore } from '../revocation/store/notification-store.ts'
import { nextAttemptAt } from './retry-schedule.ts'
import type { Send, Sent } from './send.ts'

/** Of one receiver. A slow receiver takes no room of others. */
const CONCURRENT_ATTEMPTS = 8
/** After this many failures in a row the circuit opens: then one attempt per interval finds out whether it is back. */
const FAILURES_TO_OPEN = 5
const PROBE_EVERY_MS = 60_000

/** `open`: it fails, and is tried once a minute. `paused`: it wants no notifications (410). */
export type ReceiverState = 'ok' | 'open' | 'paused'

/** What this process knows about a receiver. Times in ms since the epoch. */
export interface ReceiverHealth {
  state: ReceiverState
  lastDeliveredAt: number | null
  lastFailure: { at: number; code: ErrorCode; httpStatus: number | null } | null
}

export interface ReceiverQueueOptions {
  store: Pick<NotificationStore, 'claim' | 'report'>
  send: () => Send
  clock: Clock
  random: () => number
  log: Log
  onAttempt: (receiver: string, type: NotificationType, result: 'delivered' | 'retried' | 'failed') => void
}

class FailedAttempt extends Error {
  readonly sent: Extract<Sent, { ok: false }>

  constructor(sent: Extract<Sent, { ok: false }>) {
    super(sent.code)
    this.sent = sent
  }
}

/** Sends the notifications of one receiver: several at a time, and one per minute while the receiver fails. */
export class ReceiverQueue {
  readonly #receiver: ReceiverConfig
  readonly #options: ReceiverQueueOptions
  readonly #circuit: CircuitBreakerPolicy
  #inFlight = 0
  #isClaiming = false
  #mustClaimAgain = false
  /** When a receiver that fails is tried again, ms since the epoch; null while the circuit is closed. */
  #probeAt: number | null = null
  #isGone = false
  #isStopped = false
  #lastDeliveredAt: number | null = null
  #lastFailure: ReceiverHealth['lastFailure'] = null

  constructor(receiver: ReceiverConfig, options: ReceiverQueueOptions) {
    this.#receiver = receiver
    this.#options = options
    const { clock, log } = options
    this.#circuit = circuitBreaker(handleAll, {
      halfOpenAfter: PROBE_EVERY_MS,
      breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    })
    this.#circuit.onBreak(() => {
      // Not for each failed probe.
      if (this.#probeAt === null)
        log.warn(
          { receiver: receiver.name, code: this.#lastFailure?.code },
          'a receiver of notifications fails',
        )
      // The library reads the wall clock itself: a little later, so that it agrees.
      this.#probeAt = clock.now() + PROBE_EVERY_MS + 10
    })
    this.#circuit.onReset(() => {
      this.#probeAt = null
      log.info({ receiver: receiver.name }, 'a receiver of notifications works again')
    })
  }

  health(): ReceiverHealth {
    const isOpen = this.#circuit.state !== CircuitState.Closed
    const state = this.#isGone ? 'paused' : isOpen ? 'open' : 'ok'
    return { state, lastDeliveredAt: this.#lastDeliveredAt, lastFailure: this.#lastFailure }
  }

  /** Sends what is due, as far as there is room. Called when there may be something, and regularly. */
  look(): void {
    if (this.#isClaiming) this.#mustClaimAgain = true
    else void this.#claim()
  }

  /** Claims nothing more. Attempts in flight are sent again by another process, or after the next start. */
  stop(): void {
    this.#isStopped = true
  }

  async #claim(): Promise<void> {
    const { store, clock, log } = this.#options
    this.#isClaiming = true
    try {
      do {
        this.#mustClaimAgain = false
        const room = this.#room()
        if (room === 0) return
        const claimed = await store.claim(this.#receiver.name, clock.now(), room)
        for (const one of claimed) void this.#deliver(one)
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
    if (this.#circuit.state === CircuitState.Closed) return CONCURRENT_ATTEMPTS - this.#inFlight
    return this.#inFlight === 0 && this.#options.clock.now() >= (this.#probeAt ?? 0) ? 1 : 0
  }

  async #deliver(one: ClaimedNotification): Promise<void> {
    const { store, log } = this.#options
    this.#inFlight += 1
    try {
      const sent = await this.#attempt(one)
      // The circuit has opened in the meantime: nothing was sent, and the notification is due after its lease.
      if (sent && !this.#isStopped) await store.report(one, this.#resultOf(one, sent))
    } catch (error) {
      if (!this.#isStopped)
        log.error(
          { err: error, notification: one.id },
          'an attempt was not recorded; the notification is sent again',
        )
    } finally {
      this.#inFlight -= 1
      if (!this.#isStopped) this.look()
    }
  }

  async #attempt(one: ClaimedNotification): Promise<Sent | null> {
    const { send } = this.#options
    try {
      return await this.#circuit.execute(async () => {
        const sent = await send()(this.#receiver, one)
        if (sent.ok) return sent
        this.#noteFailure(sent)
        throw new FailedAttempt(sent)
      })
    } catch (error) {
      if (error instanceof FailedAttempt) return error.sent
      if (error instanceof BrokenCircuitError) return null
      throw error
    }
  }

  #noteFailure({ code, httpStatus }: Extract<Sent, { ok: false }>): void {
    const { clock, log } = this.#options
    this.#lastFailure = { at: clock.now(), code, httpStatus }
    if (code !== 'CURFEW_RECEIVER_GONE' || this.#isGone) return
    this.#isGone = true
    log.warn({ receiver: this.#receiver.name, code }, 'a receiver wants no notifications: it is paused')
  }

  #resultOf({ type, attempts, giveUpAt }: ClaimedNotification, sent: Sent) {
    const { clock, random, onAttempt } = this.#options
    const { httpStatus } = sent
    const at = clock.now()
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
