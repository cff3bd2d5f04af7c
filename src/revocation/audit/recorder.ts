import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { AuditLog } from './audit-log.ts'
import type { AuditEvent } from './entry.ts'

/** More than a second of rejected requests, and more than wait while the store is busy. */
const MAX_WAITING = 10_000

export interface RecorderOptions {
  audit: Pick<AuditLog, 'record'>
  clock: Clock
  log: Log
}

/**
 * Records events that must not delay the request that causes them, or make it fail, such as rejections. Those that occur
 * while the store writes are recorded together. What cannot be recorded is logged.
 */
export class Recorder {
  readonly #options: RecorderOptions
  #waiting: AuditEvent[] = []
  #writing: Promise<void> | null = null
  #dropped = 0

  constructor(options: RecorderOptions) {
    this.#options = options
  }

  /** Bound, so that it can be passed as a callback. */
  readonly note = (event: AuditEvent): void => {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(event)
    else this.#dropped += 1
    this.#writing ??= this.#write()
  }

  /** Resolves when everything noted is recorded, or is logged as lost. */
  async flushed(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    const { audit, clock, log } = this.#options
    while (this.#waiting.length > 0) {
      const events = this.#waiting
      this.#waiting = []
      let lost = this.#dropped
      let err: unknown = null
      this.#dropped = 0
      try {
        await audit.record(events, clock.now())
      } catch (error) {
        err = error
        lost += events.length
      }
      if (lost > 0)
        log.error({ err, lost, event: events[0]?.event }, 'events are missing from the audit trail')
    }
    // In the same turn as the check: an event that occurs later starts another write.
    this.#writing = null
  }
}
