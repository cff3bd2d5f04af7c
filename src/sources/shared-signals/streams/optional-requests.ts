import type { Log } from '../../../base/log.ts'
import { problemOf, TransmitterFailure } from './transmitter-responses.ts'

export interface OptionalRequestsOptions {
  /** The source's name, for the log. */
  name: string
  log: Pick<Log, 'warn'>
  signal: AbortSignal
}

/** Requests that a stream works without. A failure is only logged, once until it changes. */
export class OptionalRequests {
  readonly #options: OptionalRequestsOptions
  /** The last failure of each message. */
  readonly #failures = new Map<string, string>()

  constructor(options: OptionalRequestsOptions) {
    this.#options = options
  }

  /**
   * Rejects only if aborted.
   * @param message the meaning of a failure, for operators
   * @param streamId the stream of the request
   * @returns `refused` if the transmitter declines, `failed` if the request must be repeated
   */
  async attempt(
    message: string,
    streamId: string,
    ask: () => Promise<void>,
  ): Promise<'done' | 'refused' | 'failed'> {
    const { name, log, signal } = this.#options
    try {
      await ask()
      this.#failures.delete(message)
      return 'done'
    } catch (error) {
      signal.throwIfAborted()
      const problem = problemOf(error)
      if (this.#failures.get(message) !== `${streamId} ${problem}`)
        log.warn({ source: name, problem }, message)
      this.#failures.set(message, `${streamId} ${problem}`)
      return error instanceof TransmitterFailure && error.isRefusal ? 'refused' : 'failed'
    }
  }
}
