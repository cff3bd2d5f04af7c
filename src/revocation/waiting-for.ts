import { z } from 'zod'
import { latest } from '../base/times.ts'
import { isSettled, type Revocation } from './revocation.ts'

const until = z.iso.datetime()
const nextAttempt = { until: until.nullable() }

/** Why no revocation of a tenant can proceed. */
export const Hindrance = z.enum(['tenant-failing', 'client-refused', 'unknown-tenant'])
export type Hindrance = z.infer<typeof Hindrance>

/**
 * What a revocation waits for, and until when: a date and time, rounded up to a second.
 * - `unknown-tenant`: the tenant is not configured.
 * - `client-refused`: Qlik refuses the tenant's OAuth client, or all of them, or they lack their role or scope.
 * - `tenant-failing`: the last attempts for this tenant failed. For these three, `until` is the next attempt, or null.
 * - `qlik-rate-limit`: Qlik has returned 429 and requested a wait. At `until`, one call checks whether the limit is
 *   lifted.
 * - `budget`: all calls of the rate limit's window are used up. At `until` the next one can start; more urgent
 *   revocations go first.
 */
export const WaitingFor = z
  .discriminatedUnion('what', [
    z.object({ what: z.literal('qlik-rate-limit'), until }),
    z.object({ what: z.literal('budget'), until }),
    z.object({ what: z.literal('tenant-failing'), ...nextAttempt }),
    z.object({ what: z.literal('client-refused'), ...nextAttempt }),
    z.object({ what: z.literal('unknown-tenant'), ...nextAttempt }),
  ])
  .meta({ id: 'WaitingFor', description: 'What a revocation waits for. Further kinds may be added.' })
export type WaitingFor = z.infer<typeof WaitingFor>

/**
 * What a revocation waits for; null if it has ended and been confirmed, is held, is under way, or is due later for another
 * reason: then `nextAttemptAt` or `verificationDueAt` gives the time.
 */
export type FindWait = (revocation: Revocation) => WaitingFor | null

/** What may delay a tenant's revocations. Times in ms since the epoch; null if calls are not limited. */
export interface KnownLimits {
  /** Why no revocation of the tenant can proceed, or null. */
  hindranceOf?(tenant: string): Hindrance | null
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
export function createFindWait({
  blockedUntil,
  usedUpUntil,
  hindranceOf = () => null,
}: KnownLimits): FindWait {
  return (revocation) => {
    const { tenant, status, tokens, nextAttemptAt, verificationDueAt } = revocation
    if (isSettled(revocation) || status === 'held') return null
    const isCompleted = status === 'completed'
    const dueAt = (isCompleted ? verificationDueAt : nextAttemptAt) ?? 0
    const hindrance = isCompleted ? null : hindranceOf(tenant)
    if (hindrance !== null)
      return { what: hindrance, until: nextAttemptAt === null ? null : wholeSecond(nextAttemptAt) }
    const toWait = (what: 'qlik-rate-limit' | 'budget', ...times: (number | null)[]): WaitingFor | null => {
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
