import type { CallOptions, Gone } from '../revocation/qlik-tenant.ts'
import { abortable } from './abortable.ts'

/**
 * Deletes a token. `call` controls waiting for a permit. The request itself runs in `shield`, which keeps `call.signal`
 * from aborting: otherwise it would be unknown whether the request took effect.
 */
export type DeleteToken = (
  call: CallOptions,
  shield: (request: () => Promise<Gone>) => Promise<Gone>,
) => Promise<Gone>

/**
 * One delete of a token, shared by all concurrent callers. It waits with the urgency of its most urgent caller and the
 * place of the first, and is cancelled before it is sent if all callers have given up. The order of calls:
 * 1. `revokeTokens` in revocation/revoke-tokens.ts calls `HttpQlikTenant.revokeToken`.
 * 2. `TokenMemory.revoke` returns a recent result, or shares a delete in flight, or begins a `SharedDelete`.
 * 3. `SharedDelete` calls `deleteToken`, from tenant.ts: `Calls.make` waits for a permit and an access token.
 * 4. Inside `shield`, `QlikClient.revokeToken` sends the request.
 * 5. `TokenMemory` records the fate of the token, and all callers of `share` receive the result.
 */
export class SharedDelete {
  readonly result: Promise<Gone>
  #urgency: number
  readonly #place: CallOptions['place']
  readonly #onWait: CallOptions['onWait']
  #callers = 0
  #isSent = false
  #isSettled = false
  #turn = new AbortController()

  constructor({ urgency, place, onWait }: CallOptions, deleteToken: DeleteToken) {
    this.#urgency = urgency
    this.#place = place
    this.#onWait = onWait
    this.result = this.#run(deleteToken)
    // Each caller receives the failure; there may be no caller left.
    this.result.catch(() => {})
  }

  /** Whether it ends without a response, so that it must not be shared. */
  get isAbandoned(): boolean {
    return this.#turn.signal.aborted
  }

  /** Resolves to the result, or rejects if this caller aborts; other callers are unaffected. */
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
        return await deleteToken(
          { urgency: this.#urgency, place: this.#place, onWait: this.#onWait, signal: turn.signal },
          this.#shield,
        )
      } catch (error) {
        // A new turn means that the wait was restarted with a higher urgency.
        if (turn === this.#turn) throw error
      } finally {
        this.#isSettled = turn === this.#turn
      }
    }
  }

  readonly #shield = async (request: () => Promise<Gone>): Promise<Gone> => {
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
