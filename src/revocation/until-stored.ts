import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Run, Runs } from './runs.ts'

export const STORE_RETRY_MS = 1_000

export interface UntilStoredOptions {
  runs: Runs
  clock: Clock
  log: Log
  isStopping: () => boolean
}

/**
 * Reports what a run found: again, until the store takes it, or the revocation is another run's. On shutdown it is given
 * up: the store finds the revocation unfinished, and it is run again.
 */
export async function untilStored(
  run: Run,
  write: () => Promise<void>,
  { runs, clock, log, isStopping }: UntilStoredOptions,
): Promise<void> {
  const { id } = run.revocation
  while (runs.isLatest(run)) {
    try {
      return await write()
    } catch (error) {
      log.error({ err: error, id }, 'could not store how a revocation ended; will try again')
      if (isStopping()) return
      await new Promise<void>((resolve) => clock.after(STORE_RETRY_MS, resolve))
    }
  }
}
