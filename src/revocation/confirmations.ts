import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type ConfirmResult, confirm } from './confirm.ts'
import type { QlikTenants } from './qlik-tenant.ts'
import { concernsOneUser, judgeAttempt, toFailure } from './retry-policy.ts'
import { isVerified, type Revocation } from './revocation.ts'
import { RunTime } from './run-time.ts'
import { type Run, Runs } from './runs.ts'
import { urgencyOf } from './schedule.ts'
import { CONFIRMATION_LEASE_MS } from './store/confirmation-store.ts'
import type { RevocationStore } from './store.ts'
import { type Tracing, UNTRACED } from './tracing.ts'
import type { Confirmation, MeasuredTime } from './transitions.ts'
import { untilStored } from './until-stored.ts'

export interface ConfirmationsOptions {
  store: Pick<RevocationStore, 'claimConfirmations' | 'confirm' | 'clock'>
  tenants: Pick<QlikTenants, 'get'>
  clock: Clock
  /** By a clock that does not go back; ms since the epoch. */
  now: () => number
  log: Log
  /** A number from 0 up to 1, for the jitter. */
  random: () => number
  /** By default, nothing is traced. */
  tracing?: Tracing
  /** Maximum concurrent confirming listings per tenant. */
  runsPerTenant: () => number
  /** Called after a confirming listing has durably changed a revocation. */
  onConfirmed: (revocation: Revocation) => void
  /** Called when a listing has finished, so that there is room for another. */
  onDone: () => void
}

/**
 * Makes confirming listings when they are due. A confirming listing verifies a completed revocation, or requeues it
 * if it shows a token in scope. A crash in between loses nothing: the store knows when a listing is due.
 */
export class Confirmations {
  readonly #options: ConfirmationsOptions
  readonly #tracing: Tracing
  readonly #runs: Runs
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: ConfirmationsOptions) {
    this.#options = options
    this.#tracing = options.tracing ?? UNTRACED
    this.#runs = new Runs(options.runsPerTenant)
  }

  /**
   * Starts listings that are due, as far as there is room. A listing that takes longer than a claim lasts continues
   * under the new claim. Returns whether there may be more.
   */
  async claim(now: number): Promise<boolean> {
    const { store } = this.#options
    const { claimed, postponed } = await store.claimConfirmations({ now, room: this.#runs.roomOfAll(now) })
    for (const revocation of claimed) if (!this.#isUnderWay(revocation)) this.#run(revocation)
    return claimed.length + postponed > 0
  }

  /** When the first pause of a failing tenant ends; null if there is none. */
  resumesAt(now: number): number | null {
    return this.#runs.failing.resumesAt(now)
  }

  /** Stops running listings. The store finds them due again. */
  async stop(): Promise<void> {
    this.#runs.stopAll()
    await Promise.all(this.#underWay)
  }

  /** A listing for an earlier completion does not count: its signals may have differed. */
  #isUnderWay({ id, completedAt }: Revocation): boolean {
    return this.#runs.get(id)?.revocation.completedAt === completedAt
  }

  #run(revocation: Revocation): void {
    const run = this.#runs.begin(revocation)
    const { log, onDone } = this.#options
    const work = this.#tracing
      .run('confirm', revocation, () => this.#confirm(run))
      .catch((error) => log.error({ err: error, id: revocation.id }, 'confirming listing failed'))
      .finally(() => {
        this.#runs.end(run)
        this.#underWay.delete(work)
        onDone()
      })
    this.#underWay.add(work)
  }

  async #confirm(run: Run): Promise<void> {
    const { now, random } = this.#options
    const { revocation, stop } = run
    const { result, time } = await this.#list(revocation, stop.signal)
    if (stop.signal.aborted) return
    const isWorking = result.found !== 'stopped' || concernsOneUser(result.error)
    this.#runs.failing.note(revocation.tenant, isWorking ? null : toFailure(result.error), now())
    const confirmation = judgeListing(revocation, result, { now: now(), random: random() })
    // Include the time: if a version without signal times completed the revocation, this claim is the first and
    // bounds it.
    const write = () => this.#report(revocation, { ...confirmation, ...time }, result.found === 'early')
    const isStopping = () => stop.signal.aborted
    const storing = { ...this.#options, runs: this.#runs, isStopping, forMs: CONFIRMATION_LEASE_MS }
    await untilStored(run, write, storing)
  }

  async #report(
    { id, tenant }: Revocation,
    confirmation: Confirmation & MeasuredTime,
    isEarly: boolean,
  ): Promise<void> {
    const { store, log, onConfirmed } = this.#options
    const confirmed = await store.confirm(id, confirmation)
    if (!confirmed) return
    const { status, outcome, error } = confirmed
    this.#tracing.noteOutcome({ status, outcome, verified: isVerified(confirmed), code: error?.code })
    if (isEarly) return
    if (confirmation.found === 'unknown') {
      const { code, detail } = confirmation.error ?? {}
      log.warn({ id, tenant, code, detail }, 'confirming listing failed')
    } else {
      const verified = isVerified(confirmed)
      log.info({ id, tenant, status: confirmed.status, verified }, 'confirming listing finished')
    }
    onConfirmed(confirmed)
  }

  async #list(
    revocation: Revocation,
    signal: AbortSignal,
  ): Promise<{ result: ConfirmResult; time: MeasuredTime }> {
    const { store, tenants, clock } = this.#options
    const tenant = tenants.get(revocation.tenant)
    if (!tenant) {
      return { result: { found: 'stopped', error: new CurfewError('CURFEW_UNKNOWN_TENANT') }, time: {} }
    }
    const time = new RunTime(revocation, { clock, tenant, storeClock: store.clock })
    const options = { clock, signal, urgency: urgencyOf(revocation.reason), time }
    return { result: await confirm(revocation, tenant, options), time: time.findings }
  }
}

/**
 * What a confirming listing means for its revocation. A failed listing is repeated with backoff for 24 hours; then
 * the revocation stays unverified, with the last error. Pure.
 */
function judgeListing(
  { fruitless, failingSince, error, backoffMs }: Revocation,
  result: ConfirmResult,
  { now, random }: { now: number; random: number },
): Confirmation {
  if (result.found === 'nothing') return result
  if (result.found === 'tokens') return { found: 'tokens', remaining: result.count, now }
  if (result.found === 'early') {
    const waiting = { error, fruitless, failingSince, backoffMs }
    return { found: 'unknown', ...waiting, verificationDueAt: now + result.inMs }
  }
  const failures = { fruitless: fruitless + 1, failingSince: failingSince ?? now }
  const decision = judgeAttempt(result.error, { now, random, ...failures })
  const verificationDueAt = decision.action === 'back-off' ? decision.at : null
  const wait = verificationDueAt === null ? null : verificationDueAt - now
  return { found: 'unknown', ...failures, error: decision.failure, verificationDueAt, backoffMs: wait }
}
