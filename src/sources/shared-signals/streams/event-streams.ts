import type { Log } from '../../../base/log.ts'
import type { SharedSignalsSource } from '../entry.ts'
import type { StreamStatus } from '../security-event.ts'

/** Whose stream it is; one that a reload has changed or taken away is another source, and its state goes with it. */
type Source = SharedSignalsSource

/** What this process knows of a source's event stream. */
export interface EventStreamState {
  /** The stream's id at the transmitter; null until that is known. */
  streamId: string | null
  status: StreamStatus | 'unknown'
  /** Whether a verification event has come that was asked for. */
  isVerified: boolean
  /** What keeps the stream from being set up or polled, or null. */
  problem: string | null
}

const UNKNOWN: EventStreamState = { streamId: null, status: 'unknown', isVerified: false, problem: null }

/** How the event streams are, by source: for health and the log. */
export class EventStreams {
  readonly #states = new WeakMap<Source, EventStreamState>()
  readonly #log: Pick<Log, 'info' | 'warn'>

  constructor(log: Pick<Log, 'info' | 'warn'>) {
    this.#log = log
  }

  /** Null where nothing is known. */
  get(source: Source): EventStreamState | null {
    return this.#states.get(source) ?? null
  }

  /** It has a stream with this id; one with another id than before is not verified yet. */
  noteStream(source: Source, streamId: string): void {
    this.#note(source, this.get(source)?.streamId === streamId ? {} : { streamId, isVerified: false })
  }

  noteStatus(source: Source, status: StreamStatus): void {
    if (this.get(source)?.status === status) return
    this.#note(source, { status })
    if (status === 'enabled') this.#log.info({ source: source.config.name }, 'the event stream is enabled')
    else
      this.#log.warn({ source: source.config.name, status }, 'the transmitter has stopped the event stream')
  }

  noteVerified(source: Source): void {
    this.#note(source, { isVerified: true })
    this.#log.info({ source: source.config.name }, 'the event stream is verified')
  }

  /** What is wrong; null when it works again. */
  noteProblem(source: Source, problem: string | null): void {
    if ((this.get(source)?.problem ?? null) === problem) return
    this.#note(source, { problem })
    const { name } = source.config
    if (problem !== null) this.#log.warn({ source: name, problem }, 'the event stream does not work')
    else this.#log.info({ source: name }, 'the event stream works again')
  }

  #note(source: Source, news: Partial<EventStreamState>): void {
    this.#states.set(source, { ...(this.get(source) ?? UNKNOWN), ...news })
  }
}
