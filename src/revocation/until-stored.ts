import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Run, Runs } from './runs.ts'

export const STORE_RETRY_MS = 1_000

export interface UntilStoredOptions {
  runs: Runs
  clock: Clock
  log: Log
  isStopping: () => boolean
  /** Given up after this time. Without it, only when somebody else runs the revocation, or the service stops. */
  forMs?: number
}

/**
 * Reports what a run found, again and again until the store takes it. What is given up is not lost: the store finds the
 * revocation unfinished, and it is run again. When the service stops, it is tried once more. The first failure is logged.
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
      if (failures === 0) log.error({ err: error, id }, 'could not store a result; will try again')
      if (isStopping()) return
      await new Promise<void>((resolve) => clock.after(STORE_RETRY_MS, resolve))
    }
  }
}
