import { type Clock, steadyNow } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { earliest } from '../base/times.ts'
import type { AuditEvent } from './audit/entry.ts'
import { attemptEvent } from './audit/events.ts'
import { Confirmations } from './confirmations.ts'
import { LockWaits } from './lock-waits.ts'
import { OvertakenRuns } from './overtaken-runs.ts'
import { startProgressWriter } from './progress.ts'
import type { QlikTenants } from './qlik-tenant.ts'
import type { Failure, Revocation } from './revocation.ts'
import { runAttempt } from './run-attempt.ts'
import { type RunHistory, RunHistoryWriter } from './run-history.ts'
import { isNewFailure, isTenantWorking, judgeRun, type TimedResult, withoutTenant } from './run-report.ts'
import { RunTime } from './run-time.ts'
import { type Run, Runs } from './runs.ts'
import { urgencyOf } from './schedule.ts'
import type { RevocationStore } from './store.ts'
import type { Allowance } from './survey-plan.ts'
import { Tallies } from './tallies.ts'
import { TokenSurvey } from './token-survey.ts'
import { type Tracing, UNTRACED } from './tracing.ts'
import * as transitions from './transitions.ts'
import { STORE_RETRY_MS, untilStored } from './until-stored.ts'
import type { Hindrance } from './waiting-for.ts'

/** This many consecutive failures are not a passing problem of the store. */
const FAILED_CLAIMS_IN_A_ROW = 3

export interface WorkerOptions {
  store: RevocationStore
  tenants: Pick<QlikTenants, 'get'>
  clock: Clock
  log: Log
  /** A number from 0 up to 1, for the jitter. */
  random: () => number
  /** By default, nothing is traced. */
  tracing?: Tracing
  /**
   * Maximum concurrent revocations per tenant, for each reason separately: revocations that wait for the budget must
   * not keep a more urgent one from starting.
   */
  runsPerTenant: () => number
  /** What a tenant's budget allows; null if unknown, which is the default. */
  allowance?: (tenant: string) => Allowance | null
  /** Called after a revocation has durably ended. */
  onEnded: (revocation: Revocation) => void
  /** Called after a confirming listing has durably changed a revocation. */
  onConfirmed: (revocation: Revocation) => void
  /** Called when another process that shares the store has ended or confirmed a revocation of this user (`userKey`). */
  onEndedElsewhere: (userKey: string) => void
}

/** A finished attempt, and what it did that is not recorded yet. */
interface Done {
  result: TimedResult
  events: AuditEvent[]
  history: RunHistory
}

/** Claims queued revocations, runs them, and reports the results to the store. Knows neither HTTP nor SQL. */
export class Worker {
  readonly #options: WorkerOptions
  readonly #tracing: Tracing
  readonly #now: () => number
  readonly #runs: Runs
  readonly #overtaken: OvertakenRuns
  readonly #survey: TokenSurvey
  readonly #tallies: Tallies
  readonly #confirmations: Confirmations
  readonly #underWay = new Set<Promise<void>>()
  readonly #locks: LockWaits
  #isStopping = false
  #hasRecovered = false
  #failedClaims = 0
  #claiming: Promise<void> | null = null
  #claimAgain = false
  #cancelTimer = () => {}

  constructor(options: WorkerOptions) {
    const { store, tenants, clock, log, random, runsPerTenant, onConfirmed, allowance = () => null } = options
    const { tracing = UNTRACED } = options
    const now = steadyNow(clock)
    this.#options = options
    this.#tracing = tracing
    this.#now = now
    this.#runs = new Runs(runsPerTenant, (tenant) => allowance(tenant)?.permitsPerWindow ?? 0)
    this.#overtaken = new OvertakenRuns({ store, runs: this.#runs, clock, now })
    this.#survey = new TokenSurvey({
      ...{ store, tenants, clock, log, allowance },
      tokens: () => this.#runs.tokens(),
      onSized: this.wake,
    })
    this.#tallies = new Tallies(clock)
    this.#locks = new LockWaits(clock)
    this.#confirmations = new Confirmations({
      ...{ store, tenants, clock, now, log, random, tracing, runsPerTenant, onConfirmed },
      onDone: this.wake,
    })
  }

  /**
   * Requeues what was running when the process last ended, then starts claiming. If the store cannot be written, both are
   * retried: the service starts, so that it can be asked what is wrong.
   */
  async start(): Promise<void> {
    const { store, log, onEndedElsewhere } = this.#options
    await this.#recover().catch((error) => {
      log.error({ err: error }, 'could not requeue interrupted revocations; retrying')
    })
    store.watch({ onWork: this.wake, onEnded: onEndedElsewhere })
    this.wake()
  }

  async #recover(): Promise<void> {
    if (this.#hasRecovered) return
    const { store, log } = this.#options
    const recovered = await store.recover(this.#now())
    this.#hasRecovered = true
    if (recovered > 0) log.info({ recovered }, 'requeued interrupted revocations')
  }

  /** Signals that there may be something to claim. Bound, so that it can be passed as a callback. */
  readonly wake = (): void => {
    if (this.#isStopping) return
    this.#claimAgain = true
    // Not in the trace of the request that wakes it.
    this.#claiming ??= this.#tracing
      .detached(() => this.#claimWhatIsDue())
      .finally(() => {
        this.#claiming = null
        if (this.#claimAgain) this.wake()
      })
  }

  /**
   * Whether claiming has failed several times in a row, so that no new revocation starts. Bound, so that it can be
   * passed as a callback.
   */
  readonly isFailing = (): boolean => this.#failedClaims >= FAILED_CLAIMS_IN_A_ROW

  /** Stops the run of a cancelled revocation before its next call. Bound, so that it can be passed as a callback. */
  readonly withdraw = (id: string): void => {
    this.#runs.stop(id)
    this.wake()
  }

  /** Number of tokens that a run of this process still has to revoke; null if unknown. */
  remainingOf(id: string): number | null {
    return this.#runs.get(id)?.remaining ?? null
  }

  /** Why the revocations of a tenant cannot proceed, as the attempts of this process show; null if they can. */
  hindranceOf(tenant: string): Hindrance | null {
    return this.#runs.failing.hindranceOf(tenant, this.#now())
  }

  /** Stops claiming, stops all runs, and resolves when all of them are back in the queue. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#cancelTimer()
    this.#runs.stopAll()
    await this.#claiming
    await Promise.all([...this.#underWay, this.#confirmations.stop(), this.#survey.stop()])
  }

  async #claimWhatIsDue(): Promise<void> {
    const { store, log } = this.#options
    this.#cancelTimer()
    // Claim and ask for the next due time with the same timestamp, so that nothing becomes due unnoticed in between.
    let claimedAt = this.#now()
    try {
      await this.#recover()
      while (this.#claimAgain && !this.#isStopping) {
        this.#claimAgain = false
        await this.#overtaken.stop()
        claimedAt = this.#now()
        const claimed = await store.claim({ now: claimedAt, room: this.#runs.room(claimedAt) })
        for (const revocation of claimed) this.#run(revocation)
        const hasConfirmations = await this.#confirmations.claim(claimedAt)
        if (claimed.length > 0 || hasConfirmations) this.#claimAgain = true
      }
      this.#survey.wake()
      const resumesAt = [
        this.#runs.failing.resumesAt(claimedAt),
        this.#confirmations.resumesAt(claimedAt),
        this.#overtaken.resumesAt,
      ]
      const wakeAt = earliest(await store.nextDueAt(claimedAt), ...resumesAt)
      if (wakeAt !== null) this.#wakeAfter(wakeAt - this.#now())
      this.#failedClaims = 0
    } catch (error) {
      this.#claimAgain = false
      this.#failedClaims += 1
      log.error({ err: error }, 'could not claim revocations; retrying')
      this.#wakeAfter(STORE_RETRY_MS)
    }
  }

  #wakeAfter(ms: number): void {
    this.#cancelTimer()
    if (!this.#isStopping) this.#cancelTimer = this.#options.clock.after(ms, this.wake)
  }

  #run(revocation: Revocation): void {
    const { clock, log } = this.#options
    const run = this.#runs.begin(revocation)
    const { signal } = run.stop
    if (this.#isStopping) run.stop.abort()
    const storing = { runs: this.#runs, clock, log, isStopping: () => this.#isStopping }
    const revoke = async () => {
      const done = await this.#attempt(run)
      await untilStored(run, () => this.#report(revocation, done, signal), storing)
    }
    const work = this.#tracing.run('revoke', revocation, revoke).finally(() => {
      this.#runs.end(run)
      this.#underWay.delete(work)
      this.#locks.noteEnd()
      this.wake()
    })
    this.#underWay.add(work)
  }

  async #attempt(run: Run): Promise<Done> {
    const { store, tenants, clock, log } = this.#options
    const { revocation } = run
    const { signal } = run.stop
    const tenant = tenants.get(revocation.tenant)
    const history = new RunHistoryWriter(clock)
    if (!tenant) return { result: withoutTenant(revocation), events: [], history: history.read() }
    const { id, reason } = revocation
    const urgency = urgencyOf(reason)
    const progress = startProgressWriter(revocation, { store, clock, log })
    const time = new RunTime(revocation, { clock, tenant, storeClock: store.clock })
    const lock = async (userIds: string[]) => {
      const endWait = history.noteWait('other-run')
      await this.#locks.take(() => store.lockUsers(id, userIds, urgency), signal).finally(endWait)
    }
    const result = await runAttempt(revocation, tenant, {
      ...{ signal, urgency, clock, time, lock },
      tallies: this.#tallies,
      onProgress: (counts) => {
        const isFirst = run.remaining === null
        run.remaining = counts.remaining
        progress.note(counts)
        // Others that fit into the next window can be listed before it opens.
        if (isFirst && run.isBySize) this.wake()
      },
      onRevoked: progress.noteRevoked,
      onListed: history.noteListing,
      onWait: history.noteWait,
    })
    return {
      result: { ...result, ...time.findings },
      events: await progress.stop(),
      history: history.read(),
    }
  }

  async #report(
    revocation: Revocation,
    { result, events, history }: Done,
    { aborted }: AbortSignal,
  ): Promise<void> {
    const { store, random } = this.#options
    const { id, tenant } = revocation
    const report = judgeRun(revocation, result, { now: this.#now(), random: random(), isStopped: aborted })
    // A stopped attempt shows nothing.
    if (!aborted)
      this.#runs.failing.note(tenant, isTenantWorking(result) ? null : report.failure, this.#now())
    if (report.failure && result.ended === 'stopped')
      this.#logFailure(revocation, report.failure, result.error)
    if (report.do === 'put-back') {
      const failed = isNewFailure(revocation, report)
        ? [attemptEvent(revocation, report.waiting, history)]
        : []
      this.#tracing.noteOutcome({ status: 'queued', tokens: result.tokens, code: report.failure?.code })
      return store.putBack(id, report.waiting, [...events, ...failed])
    }
    if (await store.end(id, { ...report.ending, history }, events))
      this.#noteEnd(transitions.end(revocation, report.ending))
  }

  /** Only unexpected errors are logged with a stack trace, because an outage causes many expected ones. */
  #logFailure({ id, attempts }: Revocation, { code, detail }: Failure, err: unknown): void {
    const { log } = this.#options
    if (code === 'CURFEW_INTERNAL') log.error({ id, code, attempts, err }, 'revocation attempt failed')
    else log.warn({ id, code, detail, attempts }, 'revocation attempt failed')
  }

  #noteEnd(revocation: Revocation): void {
    const { log, onEnded } = this.#options
    const { id, status, outcome, tokens, attempts, error } = revocation
    this.#tracing.noteOutcome({ status, outcome, tokens, verified: revocation.verified, code: error?.code })
    log.info({ id, tenant: revocation.tenant, status, outcome, tokens, attempts }, 'revocation ended')
    onEnded(revocation)
  }
}
