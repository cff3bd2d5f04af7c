import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'

/**
 * How often this process sends its heartbeat, and looks for work of lost processes. A process without a heartbeat for 10 s
 * counts as lost, which others detect within 1 s: they take over within 12 s.
 */
const BEAT_EVERY_MS = 1_000

export interface HeartbeatOptions {
  beat: () => Promise<unknown>
  /** Called after each beat, also if it failed. */
  afterBeat: () => void
  clock: Clock
  log: Log
}

/** Runs `beat` periodically, even if it fails. */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #isStopped = false
  #cancelTimer = () => {}

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  start(): void {
    this.#cancelTimer = this.#options.clock.after(BEAT_EVERY_MS, () => this.#beat())
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimer()
  }

  async #beat(): Promise<void> {
    const { beat, afterBeat, log } = this.#options
    try {
      await beat()
    } catch (error) {
      log.warn({ err: error }, 'the heartbeat to the database failed; it is retried')
    }
    afterBeat()
    if (!this.#isStopped) this.start()
  }
}
