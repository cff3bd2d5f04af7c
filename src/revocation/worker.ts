import { type Clock, steadyNow } from '../clock.ts'
import { CurfewError } from '../errors.ts'
import type { Log } from '../log.ts'
import { provesGone } from './proof.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import { isFinal, judgeAttempt } from './retry-policy.ts'
import type { Failure, Revocation, TokenCounts } from './revocation.ts'
import { type RunResult, revokeAll } from './revoke-all.ts'
import { type Run, Runs } from './runs.ts'
import { urgencyOf } from './signal.ts'
import type { RevocationStore } from './store.ts'
import { Tallies } from './tallies.ts'

const PROGRESS_EVERY_MS = 1_000
const STORE_RETRY_MS = 1_000
/** Then it is no hiccup of the store. */
const FAILED_CLAIMS_IN_A_ROW = 3

export interface WorkerOptions {
  store: RevocationStore
  tenants: { get(name: string): QlikTenant | undefined }
  clock: Clock
  log: Log
  /** A number from 0 up to 1, for the jitter. */
  random: () => number
  /**
   * Revocations of one tenant in progress at most, for each reason on its own: those that wait for the budget must
   * not keep a more urgent one from starting.
   */
  runsPerTenant: () => number
  /** Told after a revocation has durably ended. */
  onEnded: (revocation: Revocation) => void
  /** Told when another process that shares the store has ended a revocation of this user (`userKey`). */
  onEndedElsewhere: (userKey: string) => void
}

export interface Worker {
  /** Puts back what was running when the process ended last, then begins to claim. */
  start(): Promise<void>
  /** Says that there may be something to claim. */
  wake(): void
  /** Whether claiming has failed several times in a row: nothing new is begun. */
  isFailing(): boolean
  /** Claims no more, stops what runs, and resolves when all of it is back in the queue. */
  stop(): Promise<void>
}

/** Claims queued revocations, runs them, and reports how they ended to the store. It knows no HTTP and no SQL. */
export function createWorker(options: WorkerOptions): Worker {
  const { store, tenants, clock, log, runsPerTenant } = options
  const now = steadyNow(clock)
  const runs = new Runs(runsPerTenant)
  const tallies = new Tallies(clock)
  const underWay = new Set<Promise<void>>()
  let isStopping = false
  let failedClaims = 0
  let claiming: Promise<void> | null = null
  let claimAgain = false
  let cancelTimer = () => {}

  function wake(): void {
    if (isStopping) return
    claimAgain = true
    claiming ??= claimWhatIsDue().finally(() => {
      claiming = null
      if (claimAgain) wake()
    })
  }

  async function claimWhatIsDue(): Promise<void> {
    cancelTimer()
    // The same time for claiming and for asking what comes later: nothing may become due in between unseen.
    let claimedAt = now()
    try {
      while (claimAgain && !isStopping) {
        claimAgain = false
        await giveWay()
        claimedAt = now()
        const claimed = await store.claim({ now: claimedAt, room: runs.room() })
        for (const revocation of claimed) run(revocation)
        if (claimed.length > 0) claimAgain = true
      }
      const dueAt = await store.nextDueAt(claimedAt)
      if (dueAt !== null) wakeAfter(dueAt - now())
      failedClaims = 0
    } catch (error) {
      claimAgain = false
      failedClaims += 1
      log.error({ err: error }, 'could not claim; will try again')
      wakeAfter(STORE_RETRY_MS)
    }
  }

  function wakeAfter(ms: number): void {
    cancelTimer()
    if (!isStopping) cancelTimer = clock.after(ms, wake)
  }

  /**
   * A run that waits for the budget must not keep a more urgent signal for the same user waiting: it is put back,
   * and the two become one.
   */
  async function giveWay(): Promise<void> {
    if (runs.isEmpty) return
    for (const id of await store.overtaken()) runs.stop(id)
  }

  function run(revocation: Revocation): void {
    const own = runs.begin(revocation)
    const { signal } = own.stop
    if (isStopping) own.stop.abort()
    const work = attempt(revocation, signal)
      .then((result) => untilStored(own, () => report(revocation, result, signal)))
      .finally(() => {
        runs.end(own)
        underWay.delete(work)
        wake()
      })
    underWay.add(work)
  }

  async function attempt(revocation: Revocation, signal: AbortSignal): Promise<RunResult> {
    const tenant = tenants.get(revocation.tenant)
    if (!tenant) {
      const error = new CurfewError(
        'CURFEW_UNKNOWN_TENANT',
        `No tenant "${revocation.tenant}" is configured.`,
      )
      return { ended: 'stopped', error, resolved: null, tokens: revocation.tokens, progressed: false }
    }
    return revokeAll(revocation, tenant, {
      signal,
      urgency: urgencyOf(revocation.reason),
      clock,
      tallies,
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
  async function untilStored(own: Run, write: () => Promise<void>): Promise<void> {
    const { id } = own.revocation
    while (runs.isLatest(own)) {
      try {
        return await write()
      } catch (error) {
        log.error({ err: error, id }, 'could not store how a revocation ended; will try again')
        if (isStopping) return
        await new Promise<void>((resolve) => clock.after(STORE_RETRY_MS, resolve))
      }
    }
  }

  async function report(revocation: Revocation, result: RunResult, signal: AbortSignal): Promise<void> {
    const { id } = revocation
    const endedAt = now()
    runs.noteAttempt(revocation, isTenantWorking(result, signal))
    if (result.ended === 'completed') {
      const { outcome, tokens, undecided } = result
      const verified = provesGone(result.proof, { undecided, isConfirmed: true })
      const isEnded = await store.complete(id, { outcome, verified, tokens, completedAt: endedAt })
      if (isEnded)
        ended({ ...revocation, status: 'completed', outcome, verified, tokens, completedAt: endedAt })
      return
    }
    if (signal.aborted) return putBackUncounted(revocation, result.tokens)
    const fruitless = result.progressed ? 1 : revocation.fruitless + 1
    const failingSince = result.progressed ? endedAt : (revocation.failingSince ?? endedAt)
    const random = options.random()
    const decision = judgeAttempt(result.error, { now: endedAt, failingSince, fruitless, random })
    const error = decision.failure
    logAttempt(revocation, error, result.error)
    if (decision.action === 'fail') {
      const isEnded = await store.fail(id, error, result.tokens, endedAt)
      if (isEnded)
        ended({ ...revocation, status: 'failed', error, tokens: result.tokens, completedAt: endedAt })
      return
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

  /** A shutdown is no attempt, nor is giving way. */
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
      const recovered = await store.recover(now())
      if (recovered > 0) log.info({ recovered }, 'revocations that were running are queued again')
      store.watch({ onWork: wake, onEnded: options.onEndedElsewhere })
      wake()
    },
    wake,
    isFailing: () => failedClaims >= FAILED_CLAIMS_IN_A_ROW,
    async stop() {
      isStopping = true
      cancelTimer()
      runs.stopAll()
      await claiming
      await Promise.all(underWay)
    },
  }
}

/** An attempt that was stopped, or failed over its own user, says nothing against the tenant. */
function isTenantWorking(result: RunResult, { aborted }: AbortSignal): boolean {
  return result.ended === 'completed' || aborted || result.progressed || isFinal(result.error)
}
