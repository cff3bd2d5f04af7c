import { type Clock, steadyNow } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Confirmations } from './confirmations.ts'
import { startProgressWriter } from './progress.ts'
import type { QlikTenants } from './qlik-tenant.ts'
import type { Failure, Revocation } from './revocation.ts'
import { runAttempt } from './run-attempt.ts'
import { isTenantWorking, judgeRun, type TimedResult } from './run-report.ts'
import { RunTime } from './run-time.ts'
import { Runs } from './runs.ts'
import { urgencyOf } from './schedule.ts'
import type { RevocationStore } from './store.ts'
import { Tallies } from './tallies.ts'
import * as transitions from './transitions.ts'
import { STORE_RETRY_MS, untilStored } from './until-stored.ts'

const HOLD_AGAIN_MS = 250
/** This many consecutive failures are not a passing problem of the store. */
const FAILED_CLAIMS_IN_A_ROW = 3

export interface WorkerOptions {
  store: RevocationStore
  tenants: Pick<QlikTenants, 'get'>
  clock: Clock
  log: Log
  /** A number from 0 up to 1, for the jitter. */
  random: () => number
  /**
   * Maximum concurrent revocations per tenant, for each reason separately: revocations that wait for the budget must
   * not keep a more urgent one from starting.
   */
  runsPerTenant: () => number
  /** Called after a revocation has durably ended. */
  onEnded: (revocation: Revocation) => void
  /** Called after a confirming listing has durably changed a revocation. */
  onConfirmed: (revocation: Revocation) => void
  /** Called when another process that shares the store has ended or confirmed a revocation of this user (`userKey`). */
  onEndedElsewhere: (userKey: string) => void
}

export interface Worker {
  /** Requeues what was running when the process last ended, then starts claiming. */
  start(): Promise<void>
  /** Signals that there may be something to claim. */
  wake(): void
  /** Whether claiming has failed several times in a row, so that no new revocation starts. */
  isFailing(): boolean
  /** Stops claiming, stops all runs, and resolves when all of them are back in the queue. */
  stop(): Promise<void>
}

/** Claims queued revocations, runs them, and reports the results to the store. Knows neither HTTP nor SQL. */
export function createWorker(options: WorkerOptions): Worker {
  const { store, tenants, clock, log, runsPerTenant } = options
  const now = steadyNow(clock)
  const runs = new Runs(runsPerTenant)
  const tallies = new Tallies(clock)
  const confirmations = new Confirmations({
    ...{ store, tenants, clock, now, log, runsPerTenant },
    random: options.random,
    onConfirmed: options.onConfirmed,
    onDone: wake,
  })
  const underWay = new Set<Promise<void>>()
  const waitingForEnd = new Set<() => void>()
  let isStopping = false
  const storing = { runs, clock, log, isStopping: () => isStopping }
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
    // Claim and ask for the next due time with the same timestamp, so that nothing becomes due unnoticed in between.
    let claimedAt = now()
    try {
      while (claimAgain && !isStopping) {
        claimAgain = false
        await giveWay()
        claimedAt = now()
        const claimed = await store.claim({ now: claimedAt, room: runs.room() })
        for (const revocation of claimed) run(revocation)
        const hasConfirmations = await confirmations.claim(claimedAt)
        if (claimed.length > 0 || hasConfirmations) claimAgain = true
      }
      const dueAt = await store.nextDueAt(claimedAt)
      if (dueAt !== null) wakeAfter(dueAt - now())
      failedClaims = 0
    } catch (error) {
      claimAgain = false
      failedClaims += 1
      log.error({ err: error }, 'could not claim revocations; retrying')
      wakeAfter(STORE_RETRY_MS)
    }
  }

  function wakeAfter(ms: number): void {
    cancelTimer()
    if (!isStopping) cancelTimer = clock.after(ms, wake)
  }

  /**
   * A run that waits for the budget must not delay a more urgent signal for the same user: it is put back into the
   * queue, and the two join.
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
      .then((result) => untilStored(own, () => report(revocation, result, signal), storing))
      .finally(() => {
        runs.end(own)
        underWay.delete(work)
        for (const resolve of waitingForEnd) resolve()
        wake()
      })
    underWay.add(work)
  }

  async function attempt(revocation: Revocation, signal: AbortSignal): Promise<TimedResult> {
    const tenant = tenants.get(revocation.tenant)
    if (!tenant) {
      // Retried for 24 hours: a reload may bring the tenant back, and another replica may have read the file earlier.
      const error = new CurfewError(
        'CURFEW_UNKNOWN_TENANT',
        `No tenant "${revocation.tenant}" is configured.`,
      )
      return { ended: 'stopped', error, resolved: null, tokens: revocation.tokens, progressed: false }
    }
    const { id, reason } = revocation
    const urgency = urgencyOf(reason)
    const progress = startProgressWriter(id, { store, clock, log })
    const time = new RunTime(revocation, { clock, tenant, storeClock: store.clock })
    const hold = (userIds: string[]) => exclusively(() => store.holdUsers(id, userIds, urgency), signal)
    try {
      const call = { signal, urgency, clock, time }
      const result = await runAttempt(revocation, tenant, {
        ...call,
        tallies,
        hold,
        onProgress: progress.note,
      })
      return { ...result, ...time.findings }
    } finally {
      progress.stop()
    }
  }

  /** Retries whenever a run ends, and periodically: another process may hold the user. */
  async function exclusively(take: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while (!(await take())) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const proceed = () => resolve()
      const cancel = clock.after(HOLD_AGAIN_MS, proceed)
      waitingForEnd.add(proceed)
      signal.addEventListener('abort', proceed, { once: true })
      await promise
      signal.removeEventListener('abort', proceed)
      waitingForEnd.delete(proceed)
      cancel()
      signal.throwIfAborted()
    }
  }

  async function report(
    revocation: Revocation,
    result: TimedResult,
    { aborted }: AbortSignal,
  ): Promise<void> {
    const { id } = revocation
    runs.noteAttempt(revocation, isTenantWorking(result, aborted))
    const report = judgeRun(revocation, result, {
      now: now(),
      random: options.random(),
      isStopped: aborted,
    })
    if (report.failure && result.ended === 'stopped') logAttempt(revocation, report.failure, result.error)
    if (report.do === 'put-back') return store.putBack(id, report.waiting)
    if (await store.end(id, report.ending)) ended(transitions.end(revocation, report.ending))
  }

  /** Only unexpected errors are logged with a stack trace, because an outage causes many expected ones. */
  function logAttempt({ id, attempts }: Revocation, { code, detail }: Failure, err: unknown): void {
    if (code === 'CURFEW_INTERNAL') log.error({ id, code, attempts, err }, 'revocation attempt failed')
    else log.warn({ id, code, detail, attempts }, 'revocation attempt failed')
  }

  function ended(revocation: Revocation): void {
    const { id, status, outcome, tokens, attempts } = revocation
    log.info({ id, tenant: revocation.tenant, status, outcome, tokens, attempts }, 'revocation ended')
    options.onEnded(revocation)
  }

  return {
    async start() {
      const recovered = await store.recover(now())
      if (recovered > 0) log.info({ recovered }, 'requeued interrupted revocations')
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
      await Promise.all([...underWay, confirmations.stop()])
    },
  }
}
