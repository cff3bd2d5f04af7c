import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { RevocationStore } from './store.ts'

const INTERVAL_MS = 10 * 60_000
const DAY_MS = 24 * 60 * 60_000

export interface RetentionOptions {
  store: Pick<RevocationStore, 'purge'>
  retentionDays: number
  clock: Clock
  log: Log
}

/**
 * Deletes revocations that ended more than `retentionDays` ago, every ten minutes. Returns a function that stops it.
 */
export function startRetention({ store, retentionDays, clock, log }: RetentionOptions): () => void {
  let cancelTimer = () => {}
  let stopped = false
  const purge = async () => {
    try {
      const now = clock.now()
      const purged = await store.purge(now - retentionDays * DAY_MS, now)
      if (purged > 0) log.info({ purged }, 'deleted old rows')
    } catch (error) {
      if (!stopped) log.error({ err: error }, 'could not delete old rows; retrying')
    }
    if (!stopped) cancelTimer = clock.after(INTERVAL_MS, purge)
  }
  cancelTimer = clock.after(INTERVAL_MS, purge)
  return () => {
    stopped = true
    cancelTimer()
  }
}
