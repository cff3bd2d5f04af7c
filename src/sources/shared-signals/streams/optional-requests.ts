import type { Log } from '../../../base/log.ts'
import { problemOf, TransmitterFailure } from './transmitter-answers.ts'

export interface OptionalRequestsOptions {
  /** Of the source, for the log. */
  name: string
  log: Pick<Log, 'warn'>
  signal: AbortSignal
}

/** Requests that a stream works without: their failures are for the log, once while they stay the same. */
export class OptionalRequests {
  readonly #options: OptionalRequestsOptions
  /** The last failure by its message. */
  readonly #told = new Map<string, string>()

  constructor(options: OptionalRequestsOptions) {
    this.#options = options
  }

  /**
   * Rejects only when it was aborted.
   * @param message what a failure means, for operators
   * @param streamId the stream that it is about
   * @returns whether it has succeeded, the transmitter does not want to, or it is to be tried again
   */
  async attempt(
    message: string,
    streamId: string,
    ask: () => Promise<void>,
  ): Promise<'done' | 'refused' | 'failed'> {
    const { name, log, signal } = this.#options
    try {
      await ask()
      this.#told.delete(message)
      return 'done'
    } catch (error) {
      signal.throwIfAborted()
      const problem = problemOf(error)
      if (this.#told.get(message) !== `${streamId} ${problem}`) log.warn({ source: name, problem }, message)
      this.#told.set(message, `${streamId} ${problem}`)
      return error instanceof TransmitterFailure && error.isRefusal ? 'refused' : 'failed'
    }
  }
}
