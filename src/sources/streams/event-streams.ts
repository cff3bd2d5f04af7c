import type { Log } from '../../log.ts'
import type { StreamStatus } from '../security-event.ts'

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
  readonly #states = new Map<string, EventStreamState>()
  readonly #log: Pick<Log, 'info' | 'warn'>

  constructor(log: Pick<Log, 'info' | 'warn'>) {
    this.#log = log
  }

  /** Null where nothing is known. */
  get(source: string): EventStreamState | null {
    return this.#states.get(source) ?? null
  }

  /** It has a stream with this id. */
  noteStream(source: string, streamId: string): void {
    this.#note(source, { streamId })
  }

  noteStatus(source: string, status: StreamStatus): void {
    if (this.get(source)?.status === status) return
    this.#note(source, { status })
    if (status === 'enabled') this.#log.info({ source }, 'the event stream is enabled')
    else this.#log.warn({ source, status }, 'the transmitter has stopped the event stream')
  }

  noteVerified(source: string): void {
    this.#note(source, { isVerified: true })
    this.#log.info({ source }, 'the event stream is verified')
  }

  /** What is wrong; null when it works again. */
  noteProblem(source: string, problem: string | null): void {
    if ((this.get(source)?.problem ?? null) === problem) return
    this.#note(source, { problem })
    if (problem !== null) this.#log.warn({ source, problem }, 'the event stream does not work')
    else this.#log.info({ source }, 'the event stream works again')
  }

  forget(source: string): void {
    this.#states.delete(source)
  }

  #note(source: string, news: Partial<EventStreamState>): void {
    this.#states.set(source, { ...(this.get(source) ?? UNKNOWN), ...news })
  }
}
