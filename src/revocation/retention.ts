import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { RevocationStore } from './store.ts'

const EVERY_MS = 10 * 60_000
const DAY_MS = 24 * 60 * 60_000

export interface RetentionOptions {
  store: Pick<RevocationStore, 'purge'>
  retentionDays: number
  clock: Clock
  log: Log
}

/** Deletes what ended longer than `retentionDays` ago, every ten minutes; the answer stops that. */
export function startRetention({ store, retentionDays, clock, log }: RetentionOptions): () => void {
  let cancelTimer = () => {}
  let stopped = false
  const purge = async () => {
    try {
      const now = clock.now()
      const purged = await store.purge(now - retentionDays * DAY_MS, now)
      if (purged > 0) log.info({ purged }, 'old rows were deleted')
    } catch (error) {
      if (!stopped) log.error({ err: error }, 'old rows could not be deleted; will try again')
    }
    if (!stopped) cancelTimer = clock.after(EVERY_MS, purge)
  }
  cancelTimer = clock.after(EVERY_MS, purge)
  return () => {
    stopped = true
    cancelTimer()
  }
}
