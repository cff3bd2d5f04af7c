import { backoffMs } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { pause } from '../../base/pause.ts'
import type { KeySet } from './key-set.ts'

/** Maximum number of concurrent fetches in the background. */
const MAX_CONCURRENT = 4

/** The keys of a source. */
export interface SourceKeys {
  source: string
  keys: Pick<KeySet, 'prefetch'>
}

export interface KeyPrefetchOptions {
  clock: Clock
  /** A number from 0 up to 1, for the jitter of backoffs. */
  random: () => number
  log: Pick<Log, 'warn'>
}

/**
 * Fetches the keys of sources in the background, so that the first token finds them: a provider with a single worker
 * cannot serve its keys while it waits for the answer to a logout. A failed fetch is only logged, and retried.
 */
export class KeyPrefetch {
  readonly #options: KeyPrefetchOptions
  #ending = new AbortController()

  constructor(options: KeyPrefetchOptions) {
    this.#options = options
  }

  /** Fetches these keys as far as they are not fresh, instead of those of the previous call. */
  replace(sources: readonly SourceKeys[]): void {
    this.stop()
    this.#ending = new AbortController()
    const { signal } = this.#ending
    const queue = [...sources]
    for (let worker = 0; worker < MAX_CONCURRENT; worker += 1) void this.#work(queue, signal)
  }

  stop(): void {
    this.#ending.abort()
  }

  async #work(queue: SourceKeys[], signal: AbortSignal): Promise<void> {
    for (let next = queue.shift(); next && !signal.aborted; next = queue.shift()) {
      if (!(await this.#fetch(next, signal))) void this.#retry(next, signal)
    }
  }

  async #retry(next: SourceKeys, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    for (let failures = 1; !signal.aborted; failures += 1) {
      await pause(backoffMs(failures, random()), clock, signal)
      if (signal.aborted || (await this.#fetch(next, signal, failures))) return
    }
  }

  /** @returns whether the keys are known. Only the first failure of a source is logged. */
  async #fetch({ source, keys }: SourceKeys, signal: AbortSignal, failures = 0): Promise<boolean> {
    try {
      await keys.prefetch()
      return true
    } catch (err) {
      if (!signal.aborted && failures === 0)
        this.#options.log.warn({ source, err }, 'could not fetch the keys of a source; retrying')
      return false
    }
  }
}
