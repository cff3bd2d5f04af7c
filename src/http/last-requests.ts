import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import { putLast } from '../base/put-last.ts'
import type { Origin } from '../revocation/origin.ts'

/** Of sources and keys. About 4 MB. */
const MAX_SENDERS = 20_000

/** A configured sender. */
export type ConfiguredSender = Pick<Origin, 'kind' | 'id'>

export interface LastRequest {
  /** Ms since the epoch. */
  acceptedAt: number | null
  rejected: {
    /** Ms since the epoch. */
    at: number
    code: ErrorCode
    isAuthenticated: boolean
  } | null
}

/** The last accepted and the last rejected request of each configured sender, in this process. */
export class LastRequests {
  readonly #clock: Pick<Clock, 'now'>
  /** The sender whose last request is the oldest is the first one. */
  readonly #bySender = new Map<string, LastRequest>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  readonly accepted = (sender: ConfiguredSender): void => {
    this.#note(sender, { acceptedAt: this.#clock.now() })
  }

  rejected(sender: ConfiguredSender, code: ErrorCode, isAuthenticated: boolean): void {
    this.#note(sender, { rejected: { at: this.#clock.now(), code, isAuthenticated } })
  }

  of(sender: ConfiguredSender): LastRequest {
    return this.#bySender.get(keyOf(sender)) ?? { acceptedAt: null, rejected: null }
  }

  #note(sender: ConfiguredSender, change: Partial<LastRequest>): void {
    putLast(this.#bySender, keyOf(sender), { ...this.of(sender), ...change }, MAX_SENDERS)
  }
}

function keyOf({ kind, id }: ConfiguredSender): string {
  return `${kind} ${id}`
}
