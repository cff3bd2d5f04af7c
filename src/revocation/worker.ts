import { setMaxListeners } from 'node:events'
import type { Clock } from '../clock.ts'
import { CurfewError } from '../errors.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import { judgeAttempt } from './retry-policy.ts'
import type { Failure, Revocation, TokenCounts } from './revocation.ts'
import { type RunResult, revokeAll } from './revoke-all.ts'
import { REASONS, type Reason, urgencyOf } from './signal.ts'
import type { RevocationStore } from './store.ts'

const PROGRESS_EVERY_MS = 1_000
const STORE_RETRY_MS = 1_000

export interface WorkerLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export interface WorkerOptions {
  store: RevocationStore
  tenants: ReadonlyMap<string, QlikTenant>
  clock: Clock
  log: WorkerLog
  /** A number from 0 up to 1, for the jitter. */
  random: () => number
  /**
   * Revocations in progress at most, for each reason on its own: those that wait for the budget must not keep
   * a more urgent one from starting.
   */
  runsPerReason: number
  /** Told after a revocation has durably ended. */
  onEnded: (revocation: Revocation) => void
}

export interface Worker {
  /** Puts back what was running when the process ended last, then begins to claim. */
  start(): Promise<void>
  /** Says that there may be something to claim. */
  wake(): void
  /** Claims no more, stops what runs, and resolves when all of it is back in the queue. */
  stop(): Promise<void>
}

/** Claims queued revocations, runs them, and reports how they ended to the store. It knows no HTTP and no SQL. */
export function createWorker(options: WorkerOptions): Worker {
  const { store, tenants, clock, log, runsPerReason } = options
  const running = new Map<Revocation, Promise<void>>()
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  let claiming: Promise<void> | null = null
  let claimAgain = false
  let cancelTimer = () => {}

  function wake(): void {
    if (stopping.signal.aborted) return
    claimAgain = true
    claiming ??= claimWhatIsDue().finally(() => {
      claiming = null
      if (claimAgain) wake()
    })
  }

  async function claimWhatIsDue(): Promise<void> {
    cancelTimer()
    // The same time for claiming and for asking what comes later: nothing may become due in between unseen.
    let now = clock.now()
    try {
      while (claimAgain && !stopping.signal.aborted) {
        claimAgain = false
        const slots = freeSlots()
        if (REASONS.every((reason) => slots[reason] === 0)) break
        now = clock.now()
        const claimed = await store.claim({ now, slots })
        for (const revocation of claimed) run(revocation)
        if (claimed.length > 0) claimAgain = true
      }
      claimAgain &&= !stopping.signal.aborted
      const dueAt = await store.nextDueAt(now)
      if (dueAt !== null) wakeAfter(dueAt - clock.now())
    } catch (error) {
      claimAgain = false
      log.error({ err: error }, 'could not claim; will try again')
      wakeAfter(STORE_RETRY_MS)
    }
  }

  function wakeAfter(ms: number): void {
    cancelTimer()
    if (!stopping.signal.aborted) cancelTimer = clock.after(ms, wake)
  }

  function freeSlots(): Record<Reason, number> {
    const slots = { security: runsPerReason, logout: runsPerReason, 'session-expired': runsPerReason }
    for (const { reason } of running.keys()) slots[reason] -= 1
    return slots
  }

  function run(revocation: Revocation): void {
    const work = attempt(revocation)
      .then((result) => untilStored(revocation, (now) => report(revocation, result, now)))
      .finally(() => {
        running.delete(revocation)
        wake()
      })
    running.set(revocation, work)
  }

  async function attempt(revocation: Revocation): Promise<RunResult> {
    const tenant = tenants.get(revocation.tenant)
    if (!tenant) {
      const error = new CurfewError(
        'CURFEW_UNKNOWN_TENANT',
        `No tenant "${revocation.tenant}" is configured.`,
      )
      return { ended: 'stopped', error, tokens: revocation.tokens, progressed: false }
    }
    return revokeAll(revocation, tenant, {
      signal: stopping.signal,
      urgency: urgencyOf(revocation.reason),
      now: clock.now,
      onProgress: noteProgress(revocation.id),
    })
  }

  /** Notes progress in the store, now and then: what is lost of it is only a number. */
  function noteProgress(id: string): (tokens: TokenCounts) => void {
    let next = clock.monotonic() + PROGRESS_EVERY_MS
    return (tokens) => {
      if (clock.monotonic() < next) return
      next = clock.monotonic() + PROGRESS_EVERY_MS
      store
        .progress(id, { ...tokens })
        .catch((error) => log.warn({ err: error, id }, 'could not note progress'))
    }
  }

  /** Tries until the store takes it. On shutdown it stays running in the store; the next start puts it back. */
  async function untilStored({ id }: Revocation, write: (now: number) => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await write(clock.now())
      } catch (error) {
        log.error({ err: error, id }, 'could not store how a revocation ended; will try again')
        if (stopping.signal.aborted) return
        await new Promise<void>((resolve) => clock.after(STORE_RETRY_MS, resolve))
      }
    }
  }

  async function report(revocation: Revocation, result: RunResult, now: number): Promise<void> {
    const { id } = revocation
    if (result.ended === 'completed') {
      const { outcome, verified, tokens } = result
      await store.complete(id, { outcome, verified, tokens, completedAt: now })
      return ended({ ...revocation, status: 'completed', outcome, verified, tokens, completedAt: now })
    }
    if (stopping.signal.aborted) return putBackUncounted(revocation, result.tokens)
    const fruitless = result.progressed ? 1 : revocation.fruitless + 1
    const failingSince = result.progressed ? now : (revocation.failingSince ?? now)
    const decision = judgeAttempt(result.error, { now, failingSince, fruitless, random: options.random() })
    const error = decision.failure
    logAttempt(revocation, error, result.error)
    if (decision.action === 'fail') {
      await store.fail(id, error, result.tokens, now)
      return ended({ ...revocation, status: 'failed', error, tokens: result.tokens, completedAt: now })
    }
    const { attempts } = revocation
    const { tokens } = result
    await store.putBack(id, { tokens, attempts, fruitless, failingSince, error, nextAttemptAt: decision.at })
  }

  /** Only what is unexpected is logged with where it came from: in an outage there are many of the others. */
  function logAttempt({ id, attempts }: Revocation, { code, detail }: Failure, err: unknown): void {
    if (code === 'CURFEW_INTERNAL') log.error({ id, code, attempts, err }, 'an attempt has failed')
    else log.warn({ id, code, detail, attempts }, 'an attempt has failed')
  }

  /** A shutdown is no attempt. */
  function putBackUncounted(revocation: Revocation, tokens: TokenCounts): Promise<void> {
    const attempts = revocation.attempts - 1
    return store.putBack(revocation.id, { ...revocation, tokens, attempts, nextAttemptAt: null })
  }

  function ended(revocation: Revocation): void {
    const { id, status, outcome, tokens, attempts } = revocation
    log.info({ id, tenant: revocation.tenant, status, outcome, tokens, attempts }, 'a revocation has ended')
    options.onEnded(revocation)
  }

  return {
    async start() {
      const recovered = await store.recover()
      if (recovered > 0) log.info({ recovered }, 'revocations that were running are queued again')
      wake()
    },
    wake,
    async stop() {
      stopping.abort()
      cancelTimer()
      await claiming
      await Promise.all(running.values())
    },
  }
}
