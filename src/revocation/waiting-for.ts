import { z } from 'zod'
import { latest } from '../base/times.ts'
import { isSettled, type Revocation } from './revocation.ts'

const until = z.iso.datetime()

/**
 * What a revocation waits for, and until when: a date and time, rounded up to a second.
 * - `qlik-rate-limit`: Qlik has returned 429 and requested a wait. At `until`, one call checks whether the limit is
 *   lifted.
 * - `budget`: all calls of the rate limit's window are used up. At `until` the next one can start; more urgent
 *   revocations go first.
 */
export const WaitingFor = z
  .discriminatedUnion('what', [
    z.object({ what: z.literal('qlik-rate-limit'), until }),
    z.object({ what: z.literal('budget'), until }),
  ])
  .meta({ id: 'WaitingFor', description: 'What a revocation waits for. Further kinds may be added.' })
export type WaitingFor = z.infer<typeof WaitingFor>

/**
 * What a revocation waits for; null if it has ended and been confirmed, is held, is under way, or is due later for another
 * reason: then `nextAttemptAt` or `verificationDueAt` gives the time.
 */
export type FindWait = (revocation: Revocation) => WaitingFor | null

/** The known limits of a tenant. Times in ms since the epoch; null if calls are not limited. */
export interface KnownLimits {
  /** When Qlik's requested wait for these calls ends. */
  blockedUntil(tenant: string, calls: LimitedCalls): number | null
  /** When the next of these calls can start, if the window has no room for it. */
  usedUpUntil(tenant: string, calls: LimitedCalls): number | null
}

/** Qlik limits the two kinds separately. */
export type LimitedCalls = 'reads' | 'revocations'

/**
 * Every revocation needs reads. A completed one needs nothing else to be confirmed. Any other may need revoking
 * calls, and does if tokens remain.
 */
export function createFindWait({ blockedUntil, usedUpUntil }: KnownLimits): FindWait {
  return (revocation) => {
    const { tenant, status, tokens, nextAttemptAt, verificationDueAt } = revocation
    if (isSettled(revocation) || status === 'held') return null
    const isCompleted = status === 'completed'
    const dueAt = (isCompleted ? verificationDueAt : nextAttemptAt) ?? 0
    const toWait = (what: WaitingFor['what'], ...times: (number | null)[]): WaitingFor | null => {
      const at = latest(...times)
      return at === null || dueAt > at ? null : { what, until: wholeSecond(at) }
    }
    const needs = (isNeeded: boolean, limit: KnownLimits['blockedUntil']) =>
      isNeeded ? limit(tenant, 'revocations') : null
    return (
      toWait('qlik-rate-limit', blockedUntil(tenant, 'reads'), needs(!isCompleted, blockedUntil)) ??
      toWait('budget', usedUpUntil(tenant, 'reads'), needs(tokens.remaining > 0, usedUpUntil))
    )
  }
}

function wholeSecond(at: number): string {
  return new Date(Math.ceil(at / 1000) * 1000).toISOString()
}
