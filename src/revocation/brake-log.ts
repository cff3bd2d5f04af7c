import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { BrakeLimits } from './mass-brake.ts'
import type { Origin } from './origin.ts'
import type { Accepted } from './store.ts'

const LINE_EVERY_MS = 60_000

interface Counts {
  held: number
  /** Signals that would have been held, but replicas of an earlier version are running. */
  passed: number
}

export interface BrakeLogOptions {
  limits: BrakeLimits
  clock: Clock
  log: Log
}

/** Logs which senders the brake on mass revocation holds: at once, then once per minute with the count of that minute. */
export class BrakeLog {
  readonly #options: BrakeLogOptions
  readonly #senders = new Map<string, Counts & { cancelTimer: () => void }>()

  constructor(options: BrakeLogOptions) {
    this.#options = options
  }

  note({ revocations, isBraked }: Accepted, { kind, name }: Origin): void {
    if (!isBraked) return
    const held = revocations.filter(({ status }) => status === 'held').length
    const counts = { held, passed: held === 0 ? 1 : 0 }
    const key = `${kind} ${name}`
    const known = this.#senders.get(key)
    if (known) {
      known.held += counts.held
      known.passed += counts.passed
    } else this.#write(key, { kind, name }, counts)
  }

  stop(): void {
    for (const { cancelTimer } of this.#senders.values()) cancelTimer()
    this.#senders.clear()
  }

  #write(key: string, sender: Pick<Origin, 'kind' | 'name'>, { held, passed }: Counts): void {
    const { log, limits, clock } = this.#options
    const details = { sender: sender.name, kind: sender.kind, limit: limits.users, windowMs: limits.windowMs }
    if (held > 0) log.warn({ ...details, held }, 'a sender named too many users; its revocations are held')
    else
      log.warn(
        { ...details, passed },
        'a sender named too many users; nothing is held while replicas of an earlier version run',
      )
    const cancelTimer = clock.after(LINE_EVERY_MS, () => {
      const since = this.#senders.get(key)
      this.#senders.delete(key)
      if (since && since.held + since.passed > 0) this.#write(key, sender, since)
    })
    this.#senders.set(key, { held: 0, passed: 0, cancelTimer })
  }
}
