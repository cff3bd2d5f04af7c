import type { LogStream } from './log.ts'

/** A stream of Node, as far as `LogOutput` uses it. */
interface Output {
  readonly isTTY?: boolean
  readonly writableLength: number
  write(text: string, done: () => void): boolean
  on(event: 'error', listener: () => void): unknown
}

const MAX_WAITING = 4 * 1024 * 1024

/**
 * Writes the log to standard output without ever waiting for its reader. If the reader is slower than the log, up to 4 MB
 * wait in memory; further lines are dropped and counted. pino's own destination waits for the reader instead, even in
 * `process.exit`: a reader that hangs stops the service, and no signal ends it.
 */
export class LogOutput implements LogStream {
  /** Whether people read the log. */
  readonly isTTY: boolean
  readonly #output: Output
  readonly #maxWaiting: number
  #lost = 0
  #isClosed = false
  #onFlushed: () => void = () => {}
  #onLost: (lines: number) => void = () => {}

  /** @param maxWaiting in UTF-16 code units, which Node's streams count as bytes for ASCII */
  constructor(output: Output, maxWaiting = MAX_WAITING) {
    this.#output = output
    this.isTTY = output.isTTY === true
    this.#maxWaiting = maxWaiting
    // The reader has ended, or the terminal is closed. Without a listener, that would end the process.
    output.on('error', () => {
      this.#isClosed = true
      this.#onFlushed()
    })
  }

  write(line: string): void {
    if (this.#isClosed) return
    if (this.#output.writableLength + line.length > this.#maxWaiting) this.#lost += 1
    else this.#output.write(line, this.#written)
  }

  /** Called with the number of dropped lines once the reader has caught up. */
  onLost(report: (lines: number) => void): void {
    this.#onLost = report
  }

  /** Resolves when every line is written, or after `ms`. */
  flushed(ms: number): Promise<void> {
    if (this.#isClosed || this.#output.writableLength === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#onFlushed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  readonly #written = (): void => {
    const waiting = this.#output.writableLength
    if (this.#lost > 0 && waiting <= this.#maxWaiting / 2) {
      const lost = this.#lost
      this.#lost = 0
      this.#onLost(lost)
    }
    if (waiting === 0) this.#onFlushed()
  }
}
