import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { BudgetKey, PermitExchange } from './permit-log.ts'

/** One short query for all tenants. A block lasts at least seconds. */
const READ_INTERVAL_MS = 2_000

export interface SharedBlocksOptions {
  permits: PermitExchange
  clock: Clock
  log: Log
}

/**
 * Tracks the tiers that Qlik has blocked for any process, so that each process can report what a revocation waits
 * for, even if it makes no calls itself.
 */
export class SharedBlocks {
  readonly #options: SharedBlocksOptions
  /** End times of the blocks, monotonic ms. */
  #blocks: ReadonlyMap<string, number> = new Map()
  #isStopped = false
  #cancelTimer = () => {}

  constructor(options: SharedBlocksOptions) {
    this.#options = options
  }

  /** Reads now and then periodically, until stopped. Never rejects: a failed read is repeated. */
  async start(): Promise<void> {
    const { permits, clock, log } = this.#options
    try {
      const found = await permits.blocks()
      const now = clock.monotonic()
      this.#blocks = new Map(found.map(({ ms, ...key }) => [nameOf(key), now + ms]))
    } catch (error) {
      log.warn({ err: error }, 'could not read which tiers Qlik Cloud blocks; retrying')
    }
    if (!this.#isStopped) this.#cancelTimer = clock.after(READ_INTERVAL_MS, () => this.start())
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimer()
  }

  /** End of the block of this tier, in ms since the epoch; null if it is not blocked. */
  until(key: Omit<BudgetKey, 'tenant'>): number | null {
    const { clock } = this.#options
    const left = (this.#blocks.get(nameOf(key)) ?? 0) - clock.monotonic()
    return left > 0 ? Math.ceil(clock.now() + left) : null
  }
}

function nameOf({ origin, client, tier }: Omit<BudgetKey, 'tenant'>): string {
  return JSON.stringify([origin, client, tier])
}
