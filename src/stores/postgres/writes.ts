import { CurfewError, hasCode } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'

/** What an operator can do about SQLSTATEs of writes, for the log and readiness. */
const REASONS: Readonly<Record<string, string>> = {
  '53100': 'its disk is full',
  '53200': 'it is out of memory',
  '25006': 'it is read-only',
  '42501': "Curfew's role lacks a permission",
  '57014': 'the write took too long',
  '58030': 'its disk failed',
}

export interface WritesOptions {
  /** Writes like a signal, up to the commit, and leaves nothing behind. */
  probe: () => Promise<void>
  log: Log
}

/**
 * Whether the database accepts signals. Reads succeed on a full disk and without permissions, so after a failed write, only a
 * successful one counts. A replica that is not ready receives no signals: `check` tries a write.
 */
export class Writes {
  readonly #options: WritesOptions
  #failure: CurfewError | null = null

  constructor(options: WritesOptions) {
    this.#options = options
  }

  /** Records a failed write. Errors that say nothing about the database are ignored. */
  failed(error: unknown): void {
    if (!hasCode(error, 'CURFEW_STORE_UNAVAILABLE')) return
    const failure = new CurfewError('CURFEW_STORE_UNAVAILABLE', reasonOf(error), { cause: error })
    if (failure.message !== this.#failure?.message) {
      const action = 'Check the disk, the permissions and the log of the PostgreSQL server.'
      this.#options.log.error(
        { detail: failure.message, action },
        'a write to the database failed; not ready',
      )
    }
    this.#failure = failure
  }

  /** Records an accepted signal. */
  succeeded(): void {
    if (!this.#failure) return
    this.#failure = null
    this.#options.log.info({}, 'the database works again; signals are accepted')
  }

  /** @throws CURFEW_STORE_UNAVAILABLE if the latest write failed, and another one fails */
  async check(): Promise<void> {
    if (!this.#failure) return
    try {
      await this.#options.probe()
    } catch (error) {
      this.failed(error)
      throw this.#failure ?? error
    }
    this.succeeded()
  }
}

function reasonOf({ message, cause }: CurfewError): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const reason = REASONS[code]
  return reason ? `The database refuses writes: ${reason} (${code}).` : `A write failed. ${message}`
}
