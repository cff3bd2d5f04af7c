import type { CallOptions } from '../../revocation/qlik-tenant.ts'
import { nextInLine } from '../../revocation/schedule.ts'
import type { Ledger } from './ledger.ts'

/** A permit to make one call. Call exactly one of these methods, once. */
export interface Permit {
  /** The call has ended; `passed`: Qlik's rate limiter accepted it, regardless of the response. */
  end(passed: boolean): void
  /** The call was not made. */
  cancel(): void
  /** The caller has given up, but the call was sent: Qlik may count it until its timeout. */
  abandon(): void
}

/** A call that waits for a permit, possibly at several gates: `grant` must leave the others. */
export interface Waiter extends Pick<CallOptions, 'urgency' | 'place'> {
  grant: (permit: Permit) => void
}

/**
 * Admits calls of one tier, in the order of `nextInLine`, while the ledger has room and fewer than `concurrency` are under
 * way.
 */
export class TierGate {
  readonly #ledger: Ledger
  readonly #atTimeout: (end: () => void) => void
  readonly #noteCall: () => () => void
  #concurrency: number
  /** In order of arrival. */
  readonly #waiting: Waiter[] = []
  /** Number of permits given while more than one call waited. */
  #contended = 0
  #underWay = 0
  #cancelWait = () => {}

  /**
   * @param atTimeout calls back once a call sent now must have ended
   * @param noteCall called when a call starts; returns what to call once Qlik's rate limiter has accepted it
   */
  constructor(
    ledger: Ledger,
    concurrency: number,
    atTimeout: (end: () => void) => void,
    noteCall: () => () => void = () => () => {},
  ) {
    this.#ledger = ledger
    this.#atTimeout = atTimeout
    this.#noteCall = noteCall
    this.#concurrency = concurrency
  }

  /** Sets how many calls may be under way. Must also be called when the limits of the ledger have changed. */
  change(concurrency: number): void {
    this.#concurrency = concurrency
    this.#letThrough()
  }

  /** Waits for a permit. Rejects with the signal's reason if that aborts first. */
  draw({ urgency, place, signal }: CallOptions): Promise<Permit> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      let leave = () => {}
      const onAbort = () => {
        leave()
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      leave = this.enter({
        urgency,
        place,
        grant: (permit) => {
          signal.removeEventListener('abort', onAbort)
          resolve(permit)
        },
      })
    })
  }

  /** Adds a call, which may be granted before this returns. The returned function withdraws it. */
  enter(waiter: Waiter): () => void {
    this.#waiting.push(waiter)
    this.#letThrough()
    return () => {
      const index = this.#waiting.indexOf(waiter)
      if (index < 0) return
      this.#waiting.splice(index, 1)
      if (this.#waiting.length === 0) this.#cancelWait()
    }
  }

  #takeNext(): Waiter | undefined {
    const [next] = this.#waiting.splice(nextInLine(this.#waiting, this.#contended), 1)
    if (this.#waiting.length > 0) this.#contended += 1
    return next
  }

  #letThrough(): void {
    this.#cancelWait()
    while (this.#waiting.length > 0 && this.#underWay < this.#concurrency && this.#ledger.room() > 0) {
      const isProbe = this.#ledger.begin()
      this.#underWay += 1
      this.#takeNext()?.grant(this.#permit(isProbe))
    }
    // At full concurrency, the end of a call leads back here.
    const wanted = Math.min(this.#waiting.length, this.#concurrency - this.#underWay)
    if (wanted > 0) this.#cancelWait = this.#ledger.whenRoom(wanted, () => this.#letThrough())
  }

  #permit(isProbe: boolean): Permit {
    let open = true
    const noteAccepted = this.#noteCall()
    const close = (note: () => void, passed: boolean) => {
      if (!open) return
      open = false
      note()
      if (isProbe) this.#ledger.probed(passed)
      this.#underWay -= 1
      this.#letThrough()
    }
    return {
      end: (passed) => {
        if (open && passed) noteAccepted()
        close(() => this.#ledger.end(), passed)
      },
      cancel: () => close(() => this.#ledger.cancel(), false),
      abandon: () => close(() => this.#atTimeout(() => this.#ledger.end()), false),
    }
  }
}
