import { type Clock, steadyNow } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Confirmations } from './confirmations.ts'
import { noteProgress } from './progress.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import type { Failure, Revocation } from './revocation.ts'
import { revokeAll } from './revoke-all.ts'
import { isTenantWorking, judgeRun, type TimedResult } from './run-report.ts'
import { RunTime } from './run-time.ts'
import { Runs } from './runs.ts'
import { urgencyOf } from './signal.ts'
import type { RevocationStore } from './store.ts'
import { Tallies } from './tallies.ts'
import * as transitions from './transitions.ts'
import { STORE_RETRY_MS, untilStored } from './until-stored.ts'

const HOLD_AGAIN_MS = 250
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
  /** Called after a revocation has durably ended. */
  onEnded: (revocation: Revocation) => void
  /** Called after a confirming listing has durably changed a revocation. */
  onConfirmed: (revocation: Revocation) => void
  /** Called when another process that shares the store has ended or confirmed a revocation of this user (`userKey`). */
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
    // The same time for claiming and for asking what comes later: nothing may become due in between unseen.
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
      const error = new CurfewError(
        'CURFEW_UNKNOWN_TENANT',
        `No tenant "${revocation.tenant}" is configured.`,
      )
      return { ended: 'stopped', error, resolved: null, tokens: revocation.tokens, progressed: false }
    }
    const { id, reason } = revocation
    const urgency = urgencyOf(reason)
    const progress = noteProgress(id, { store, clock, log })
    const time = new RunTime(revocation, { clock, tenant, storeClock: store.clock })
    const hold = (userIds: string[]) => exclusively(() => store.holdUsers(id, userIds, urgency), signal)
    try {
      const call = { signal, urgency, clock, time }
      const result = await revokeAll(revocation, tenant, {
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

  /** Tries again after each end of a run, and from time to time: another process may run what is in the way. */
  async function exclusively(take: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while (!(await take())) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const goOn = () => resolve()
      const cancel = clock.after(HOLD_AGAIN_MS, goOn)
      waitingForEnd.add(goOn)
      signal.addEventListener('abort', goOn, { once: true })
      await promise
      signal.removeEventListener('abort', goOn)
      waitingForEnd.delete(goOn)
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

  /** Only what is unexpected is logged with where it came from: in an outage there are many of the others. */
  function logAttempt({ id, attempts }: Revocation, { code, detail }: Failure, err: unknown): void {
    if (code === 'CURFEW_INTERNAL') log.error({ id, code, attempts, err }, 'an attempt has failed')
    else log.warn({ id, code, detail, attempts }, 'an attempt has failed')
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
      await Promise.all([...underWay, confirmations.stop()])
    },
  }
}
