import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../errors.ts'
import { Outcome, type Revocation, Status } from '../revocation/revocation.ts'
import { Reason, Scope, UserKind, urgencyOf } from '../revocation/signal.ts'

const time = z.number().int()
const optionalTime = time.nullable()
const count = z.number().int()

/** A row of `revocations`, in either store; checked when read: others may have touched it. */
const Row = z.object({
  id: z.string(),
  tenant: z.string(),
  user_kind: UserKind,
  user_value: z.string(),
  source: z.string(),
  reason: Reason,
  scope: Scope,
  device_type: z.string().nullable(),
  status: Status,
  outcome: Outcome.nullable(),
  revoked: count,
  already_gone: count,
  kept: count,
  remaining: count,
  verified: z.number(),
  attempts: count,
  fruitless: count,
  // A code of another version must not keep the row, and all behind it, from being claimed.
  error_code: z
    .custom<ErrorCode>((code) => typeof code === 'string' && code in ERRORS)
    .nullable()
    .catch('CURFEW_INTERNAL'),
  error_detail: z.string().nullable(),
  occurred_at: time,
  accepted_at: time,
  failing_since: optionalTime,
  started_at: optionalTime,
  completed_at: optionalTime,
  next_attempt_at: optionalTime,
})

export function toRevocation(raw: unknown): Revocation {
  const row = Row.parse(raw)
  return {
    id: row.id,
    tenant: row.tenant,
    user: { kind: row.user_kind, value: row.user_value },
    source: row.source,
    reason: row.reason,
    scope: row.scope,
    deviceType: row.device_type,
    status: row.status,
    outcome: row.outcome,
    tokens: {
      revoked: row.revoked,
      alreadyGone: row.already_gone,
      kept: row.kept,
      remaining: row.remaining,
    },
    verified: row.verified === 1,
    attempts: row.attempts,
    fruitless: row.fruitless,
    error: row.error_code === null ? null : { code: row.error_code, detail: row.error_detail ?? '' },
    occurredAt: row.occurred_at,
    acceptedAt: row.accepted_at,
    failingSince: row.failing_since,
    startedAt: row.started_at,
    completedAt: row.completed_at,
    nextAttemptAt: row.next_attempt_at,
  }
}

/** A revocation as the values of a row, by column. `urgency` and `due_at` are there for the claim's index. */
export function toRow(revocation: Revocation) {
  return {
    id: revocation.id,
    tenant: revocation.tenant,
    user_kind: revocation.user.kind,
    user_value: revocation.user.value,
    source: revocation.source,
    reason: revocation.reason,
    urgency: urgencyOf(revocation.reason),
    scope: revocation.scope,
    device_type: revocation.deviceType,
    status: revocation.status,
    outcome: revocation.outcome,
    revoked: revocation.tokens.revoked,
    already_gone: revocation.tokens.alreadyGone,
    kept: revocation.tokens.kept,
    remaining: revocation.tokens.remaining,
    verified: revocation.verified ? 1 : 0,
    attempts: revocation.attempts,
    fruitless: revocation.fruitless,
    error_code: revocation.error?.code ?? null,
    error_detail: revocation.error?.detail ?? null,
    occurred_at: revocation.occurredAt,
    accepted_at: revocation.acceptedAt,
    failing_since: revocation.failingSince,
    started_at: revocation.startedAt,
    completed_at: revocation.completedAt,
    next_attempt_at: revocation.nextAttemptAt,
    due_at: revocation.nextAttemptAt ?? revocation.acceptedAt,
  }
}

export const COLUMNS = [
  'id',
  'tenant',
  'user_kind',
  'user_value',
  'source',
  'reason',
  'urgency',
  'scope',
  'device_type',
  'status',
  'outcome',
  'revoked',
  'already_gone',
  'kept',
  'remaining',
  'verified',
  'attempts',
  'fruitless',
  'error_code',
  'error_detail',
  'occurred_at',
  'accepted_at',
  'failing_since',
  'started_at',
  'completed_at',
  'next_attempt_at',
  'due_at',
] as const satisfies (keyof ReturnType<typeof toRow>)[]
