import { CurfewError } from '../base/errors.ts'
import { concernsOneUser, judgeAttempt } from './retry-policy.ts'
import type { Failure, Revocation } from './revocation.ts'
import type { RunResult } from './run-attempt.ts'
import type { Ending, MeasuredTime, Waiting } from './transitions.ts'

/** Result of an attempt, with the time of the signals as measured by then. */
export type TimedResult = RunResult & MeasuredTime

/**
 * What happens to a revocation after an attempt. `failure`: why the attempt failed, for the log; null if it did not
 * fail.
 */
export type RunReport =
  | { do: 'end'; ending: Ending; failure: Failure | null }
  | { do: 'put-back'; waiting: Waiting; failure: Failure | null }

export interface RunContext {
  /** By a clock that does not go back; ms since the epoch. */
  now: number
  /** A number from 0 up to 1, for the jitter. */
  random: number
  /** Whether the attempt was stopped: by a shutdown, or for a more urgent revocation. */
  isStopped: boolean
}

/**
 * The result of an attempt if the tenant is not configured. It is retried for 24 hours: a reload may bring the tenant
 * back, and another replica may have read the file earlier.
 */
export function withoutTenant({ tenant, tokens }: Revocation): TimedResult & { ended: 'stopped' } {
  const error = new CurfewError('CURFEW_UNKNOWN_TENANT', `No tenant "${tenant}" is configured.`)
  return { ended: 'stopped', error, resolved: null, tokens, progressed: false }
}

/** Decides whether an attempt ends the revocation or puts it back into the queue. Pure. */
export function judgeRun(revocation: Revocation, result: TimedResult, context: RunContext): RunReport {
  const { now, random, isStopped } = context
  const { tokens } = result
  const time = measuredTime(revocation, result)
  if (result.ended === 'completed') {
    const { outcome, proof, undecided, resolved, confirmInMs } = result
    const verificationDueAt = confirmInMs === null ? null : now + confirmInMs
    const found = { tokens, ...time, undecided, resolved, outcome, proof }
    const ending = { ...found, status: 'completed', verificationDueAt, completedAt: now } as const
    return { do: 'end', ending, failure: null }
  }
  const findings = {
    tokens,
    ...time,
    undecided: revocation.undecided,
    resolved: result.resolved ?? revocation.resolved,
  }
  if (isStopped) {
    // A stopped attempt does not count.
    const { attempts, fruitless, failingSince, error } = revocation
    const waited = { attempts: attempts - 1, fruitless, failingSince, error }
    const waiting = { ...findings, ...waited, nextAttemptAt: null, backoffMs: null }
    return { do: 'put-back', waiting, failure: null }
  }
  const fruitless = result.progressed ? 1 : revocation.fruitless + 1
  const failingSince = result.progressed ? now : (revocation.failingSince ?? now)
  const decision = judgeAttempt(result.error, { now, failingSince, fruitless, random })
  const { failure } = decision
  if (decision.action === 'fail') {
    return { do: 'end', ending: { ...findings, status: 'failed', error: failure, completedAt: now }, failure }
  }
  const { attempts } = revocation
  const waited = { attempts, fruitless, failingSince, error: failure }
  const next = { nextAttemptAt: decision.at, backoffMs: decision.at - now }
  return { do: 'put-back', waiting: { ...findings, ...waited, ...next }, failure }
}

/** The time as measured by the attempt; as stored if it measured none. */
function measuredTime(revocation: Revocation, { signalTime, signalTimeOf }: TimedResult) {
  if (signalTime === undefined || signalTimeOf === undefined) {
    return { signalTime: revocation.signalTime, signalTimeOf: revocation.signalTimeOf }
  }
  return { signalTime, signalTimeOf }
}

/** Whether an attempt failed for another reason than the one before. The audit trail omits repeated failures. */
export function isNewFailure(
  { error }: Revocation,
  { failure, waiting }: RunReport & { do: 'put-back' },
): boolean {
  return failure !== null && (failure.code !== error?.code || waiting.fruitless === 1)
}

/**
 * Whether the tenant works, as far as an attempt shows. A stopped attempt, or an error that concerns one user, does
 * not count against the tenant.
 */
export function isTenantWorking(result: RunResult): boolean {
  return result.ended === 'completed' || result.progressed || concernsOneUser(result.error)
}
