import type { CallOptions, Gone } from '../revocation/qlik-tenant.ts'
import { abortable } from './abortable.ts'

/**
 * Deletes a token. `call` says how to wait for the turn; the request itself goes through `send`, and is not ended when
 * `call.signal` aborts: whether it took effect would not be known.
 */
export type DeleteToken = (
  call: CallOptions,
  send: (request: () => Promise<Gone>) => Promise<Gone>,
) => Promise<Gone>

/**
 * One delete of a token, for all who ask for it at the same time. It waits for its turn with the urgency of the most
 * urgent of them, and ends before it is sent when none of them waits any more.
 */
export class SharedDelete {
  readonly result: Promise<Gone>
  #urgency: number
  #callers = 0
  #isSent = false
  #isSettled = false
  #turn = new AbortController()

  constructor(urgency: number, deleteToken: DeleteToken) {
    this.#urgency = urgency
    this.result = this.#run(deleteToken)
    // Each caller receives the failure; there may be none left.
    this.result.catch(() => {})
  }

  /** Whether it ends without an answer: it must not be shared any more. */
  get isAbandoned(): boolean {
    return this.#turn.signal.aborted
  }

  /** Its result, or the caller's own abort; the others go on. */
  async share({ urgency, signal }: CallOptions): Promise<Gone> {
    this.#callers += 1
    this.#hurry(urgency)
    try {
      return await abortable(this.result, signal)
    } finally {
      this.#callers -= 1
      this.#endIfAbandoned()
    }
  }

  async #run(deleteToken: DeleteToken): Promise<Gone> {
    for (;;) {
      const turn = this.#turn
      try {
        return await deleteToken({ urgency: this.#urgency, signal: turn.signal }, (request) =>
          this.#send(request),
        )
      } catch (error) {
        // Another turn means that it was only asked to wait more urgently.
        if (turn === this.#turn) throw error
      } finally {
        this.#isSettled = turn === this.#turn
      }
    }
  }

  async #send(request: () => Promise<Gone>): Promise<Gone> {
    this.#isSent = true
    try {
      return await request()
    } finally {
      this.#isSent = false
      this.#endIfAbandoned()
    }
  }

  #hurry(urgency: number): void {
    if (urgency >= this.#urgency) return
    this.#urgency = urgency
    if (this.#isSent) return
    const slow = this.#turn
    this.#turn = new AbortController()
    slow.abort()
  }

  #endIfAbandoned(): void {
    if (this.#callers === 0 && !this.#isSent && !this.#isSettled) this.#turn.abort()
  }
}
