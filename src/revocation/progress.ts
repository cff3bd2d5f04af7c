import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { TokenCounts } from './revocation.ts'
import type { RevocationStore } from './store.ts'

const INTERVAL_MS = 1_000

export interface ProgressOptions {
  store: Pick<RevocationStore, 'progress'>
  clock: Clock
  log: Log
}

/**
 * Starts storing the counts of a run, once a second while they change, until `stop` is called. A crash loses only these
 * numbers.
 */
export function startProgressWriter(id: string, { store, clock, log }: ProgressOptions) {
  let latest: TokenCounts | null = null
  let cancelTimer = () => {}

  function writeLater(): void {
    cancelTimer = clock.after(INTERVAL_MS, () => {
      if (latest)
        store.progress(id, latest).catch((error) => log.warn({ err: error, id }, 'could not store progress'))
      latest = null
      writeLater()
    })
  }

  writeLater()
  return {
    note(tokens: TokenCounts): void {
      latest = { ...tokens }
    },
    stop: () => cancelTimer(),
  }
}
