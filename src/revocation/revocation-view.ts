import { z } from 'zod'
import { ERRORS } from '../errors.ts'
import { type Failure, Outcome, type Revocation, Status } from './revocation.ts'
import { Reason, Scope } from './signal.ts'

const count = z.number().int().min(0)
const time = z.iso.datetime()

/** A revocation as callers see it: the contract's JSON. */
export const RevocationView = z
  .object({
    id: z.uuid(),
    tenant: z.string(),
    user: z.object({
      userId: z.string().optional(),
      subject: z.string().optional(),
      email: z.string().optional(),
    }),
    source: z.string(),
    reason: Reason,
    scope: Scope,
    deviceType: z.string().optional(),
    status: Status,
    outcome: Outcome.nullable(),
    tokens: z.object({ found: count, revoked: count, alreadyGone: count, kept: count, remaining: count }),
    verified: z.boolean(),
    attempts: count,
    error: z
      .object({ code: z.string(), title: z.string(), detail: z.string(), action: z.string() })
      .nullable(),
    occurredAt: time,
    acceptedAt: time,
    startedAt: time.nullable(),
    completedAt: time.nullable(),
    nextAttemptAt: time.nullable(),
    estimatedCompletionAt: time.nullable(),
  })
  .meta({ id: 'Revocation', description: "The revocation of one user's tokens" })
export type RevocationView = z.infer<typeof RevocationView>

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/**
 * The caller's view of a revocation.
 * @param estimatedCompletionAt ms since the epoch, or null where nothing can be said
 */
export function view(revocation: Revocation, estimatedCompletionAt: number | null): RevocationView {
  const { user, tokens, error, deviceType } = revocation
  const found = tokens.revoked + tokens.alreadyGone + tokens.kept + tokens.remaining
  return {
    id: revocation.id,
    tenant: revocation.tenant,
    user: { [user.kind]: user.value },
    source: revocation.source,
    reason: revocation.reason,
    scope: revocation.scope,
    ...(deviceType === null ? {} : { deviceType }),
    status: revocation.status,
    outcome: revocation.outcome,
    tokens: { found, ...tokens },
    verified: revocation.verified,
    attempts: revocation.attempts,
    error: error && viewFailure(error),
    occurredAt: new Date(revocation.occurredAt).toISOString(),
    acceptedAt: new Date(revocation.acceptedAt).toISOString(),
    startedAt: iso(revocation.startedAt),
    completedAt: iso(revocation.completedAt),
    nextAttemptAt: iso(revocation.nextAttemptAt),
    estimatedCompletionAt: iso(estimatedCompletionAt),
  }
}

function viewFailure({ code, detail }: Failure) {
  const { title, action } = ERRORS[code]
  return { code, title, detail, action }
}
