import type { Log } from '../../../base/log.ts'
import type { SharedSignalsSource } from '../entry.ts'
import type { StreamStatus } from '../security-event.ts'

/** The source of a stream. A reload that changes an entry creates a new source, which starts without state. */
type Source = SharedSignalsSource

/** What this process knows about a source's event stream. */
export interface EventStreamState {
  /** The stream's id at the transmitter; null while unknown. */
  streamId: string | null
  status: StreamStatus | 'unknown'
  /** Whether a requested verification event has arrived. */
  isVerified: boolean
  /** Why the stream cannot be set up or polled, or null. */
  problem: string | null
}

const UNKNOWN: EventStreamState = { streamId: null, status: 'unknown', isVerified: false, problem: null }

/** The state of the event streams, by source, for readiness and the log. */
export class EventStreams {
  readonly #states = new WeakMap<Source, EventStreamState>()
  readonly #log: Pick<Log, 'info' | 'warn'>

  constructor(log: Pick<Log, 'info' | 'warn'>) {
    this.#log = log
  }

  /** Null if nothing is known. */
  get(source: Source): EventStreamState | null {
    return this.#states.get(source) ?? null
  }

  /** Records the stream's id. A stream with a new id is not verified. */
  noteStream(source: Source, streamId: string): void {
    this.#note(source, this.get(source)?.streamId === streamId ? {} : { streamId, isVerified: false })
  }

  noteStatus(source: Source, status: StreamStatus): void {
    if (this.get(source)?.status === status) return
    this.#note(source, { status })
    if (status === 'enabled') this.#log.info({ source: source.config.name }, 'event stream enabled')
    else this.#log.warn({ source: source.config.name, status }, 'event stream stopped by the transmitter')
  }

  noteVerified(source: Source): void {
    this.#note(source, { isVerified: true })
    this.#log.info({ source: source.config.name }, 'event stream verified')
  }

  /** Records a problem; null if the stream works. */
  noteProblem(source: Source, problem: string | null): void {
    if ((this.get(source)?.problem ?? null) === problem) return
    this.#note(source, { problem })
    const { name } = source.config
    if (problem !== null) this.#log.warn({ source: name, problem }, 'event stream failed; retrying')
    else this.#log.info({ source: name }, 'event stream recovered')
  }

  #note(source: Source, news: Partial<EventStreamState>): void {
    this.#states.set(source, { ...(this.get(source) ?? UNKNOWN), ...news })
  }
}
