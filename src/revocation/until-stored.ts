import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Run, Runs } from './runs.ts'

export const STORE_RETRY_MS = 1_000

export interface UntilStoredOptions {
  runs: Runs
  clock: Clock
  log: Log
  isStopping: () => boolean
  /** When to give up, in ms. Default: only when another process runs the revocation, or the service stops. */
  forMs?: number
}

/**
 * Retries storing a run's result until the store accepts it. Giving up loses nothing: the store finds the revocation
 * unfinished, and it is run again. When the service stops, one last try is made. Only the first failure is logged.
 */
export async function untilStored(
  run: Run,
  write: () => Promise<void>,
  { runs, clock, log, isStopping, forMs = Number.POSITIVE_INFINITY }: UntilStoredOptions,
): Promise<void> {
  const { id } = run.revocation
  const startedAt = clock.monotonic()
  for (let failures = 0; runs.isLatest(run) && clock.monotonic() - startedAt < forMs; failures += 1) {
    try {
      return await write()
    } catch (error) {
      if (failures === 0) log.error({ err: error, id }, 'could not store a result; retrying')
      if (isStopping()) return
      await new Promise<void>((resolve) => clock.after(STORE_RETRY_MS, resolve))
    }
  }
}
