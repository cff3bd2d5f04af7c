import { z } from 'zod'
import { isSettled, type Revocation } from './revocation.ts'

const until = z.iso.datetime()

/**
 * What a revocation waits for, and until when: a date and time, rounded up to a second.
 * - `qlik-rate-limit`: Qlik has answered 429 and asked to wait. At `until` one call asks whether the limit is lifted.
 * - `budget`: the calls of the rate limit's window are used up. At `until` the next one can start; more urgent revocations
 *   go first.
 */
export const WaitingFor = z
  .discriminatedUnion('what', [
    z.object({ what: z.literal('qlik-rate-limit'), until }),
    z.object({ what: z.literal('budget'), until }),
  ])
  .meta({ id: 'WaitingFor', description: 'What a revocation waits for. More kinds may come.' })
export type WaitingFor = z.infer<typeof WaitingFor>

/**
 * What a revocation waits for; null where it has ended and been confirmed, is under way, or is due later for another reason:
 * then `nextAttemptAt` or `verificationDueAt` says when.
 */
export type FindWait = (revocation: Revocation) => WaitingFor | null

/** What is known of a tenant's limits. Times in ms since the epoch; null where nothing is in the way. */
export interface KnownLimits {
  /** Until when Qlik has asked to wait with these calls. */
  blockedUntil(tenant: string, calls: LimitedCalls): number | null
  /** When the next one of these calls can start, where the window has no room for it. */
  usedUpUntil(tenant: string, calls: LimitedCalls): number | null
}

/** Qlik limits them apart from each other. */
export type LimitedCalls = 'reads' | 'revocations'

/**
 * Every revocation needs reads. One that is completed needs nothing else to be confirmed; of the others each may need
 * revoking calls, and one with tokens that remain does.
 */
export function createFindWait({ blockedUntil, usedUpUntil }: KnownLimits): FindWait {
  return (revocation) => {
    const { tenant, status, tokens, nextAttemptAt, verificationDueAt } = revocation
    if (isSettled(revocation)) return null
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

/** The latest of these times; null where there is none. */
export function latest(...times: readonly (number | null)[]): number | null {
  return times.reduce((one, other) => (one === null || (other !== null && other > one) ? other : one), null)
}

function wholeSecond(at: number): string {
  return new Date(Math.ceil(at / 1000) * 1000).toISOString()
}
