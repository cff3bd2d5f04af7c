import { z } from 'zod'
import { ERRORS } from '../base/errors.ts'
import { isoTime } from '../base/iso-time.ts'
import { SenderName, senderNamed } from './origin.ts'
import { Proof } from './proof.ts'
import { Decision, type Failure, Hold, isVerified, Outcome, type Revocation, Status } from './revocation.ts'
import { Reason, Scope } from './signal.ts'
import { WaitingFor } from './waiting-for.ts'

const count = z.number().int().min(0)
const time = z.iso.datetime()

/** `superseded`: the revocation failed, and a retry found another one queued for the same user, which replaces it. */
export const StatusView = z.enum([...Status.options, 'superseded'])
export type StatusView = z.infer<typeof StatusView>

/** `no-such-user`: no user has the Qlik user id. `no-matching-user`: no user has the e-mail address or the subject. */
export const OutcomeView = z.enum([...Outcome.options, 'no-matching-user'])
export type OutcomeView = z.infer<typeof OutcomeView>

/** A revocation as the API returns it. */
export const RevocationView = z
  .object({
    id: z.uuid(),
    tenant: z.string(),
    user: z.object({
      userId: z.string().optional(),
      subject: z.string().optional(),
      email: z.string().optional(),
      resolved: z
        .array(z.string())
        .optional()
        .describe('The Qlik user ids that the name resolved to; omitted if there are none'),
    }),
    source: z.string(),
    senders: z
      .array(SenderName.omit({ id: true }))
      .describe(
        'The senders of its signals, first the one of the first signal; none that an earlier version accepted',
      ),
    reason: Reason,
    scope: Scope,
    deviceType: z.string().optional(),
    notify: z
      .array(z.string())
      .optional()
      .describe('The receivers that its signals name; omitted if they name none'),
    status: StatusView,
    outcome: OutcomeView.nullable(),
    tokens: z.object({
      ...{ found: count, revoked: count, alreadyGone: count, kept: count, remaining: count },
      undecided: count.describe(
        'Number of kept tokens that may have been granted before the signal, as far as the clocks show',
      ),
    }),
    verified: z.boolean().describe('Whether all tokens in scope are proven to be gone; see `proof`'),
    proof: Proof.extend({ at: time })
      .nullable()
      .describe(
        'What the last listing proves; null before the first, and for revocations of versions without proofs',
      ),
    verificationDueAt: time
      .nullable()
      .describe('When the confirming listing of a completed revocation is due; null if none is'),
    supersededBy: z.uuid().nullable().describe('The revocation that replaces this one'),
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
    waitingFor: WaitingFor.nullable(),
    hold: Hold.extend({ at: time, decision: Decision.extend({ at: time }).nullable() })
      .nullable()
      .describe('Why it was held, and what an operator decided; null if it was never held'),
  })
  .meta({ id: 'Revocation', description: "The revocation of one user's tokens" })
export type RevocationView = z.infer<typeof RevocationView>

/**
 * Converts a revocation to its API representation.
 * @param estimatedCompletionAt ms since the epoch, or null if unknown
 * @param waitingFor null if it waits for nothing known
 */
export function view(
  revocation: Revocation,
  estimatedCompletionAt: number | null,
  waitingFor: WaitingFor | null,
): RevocationView {
  const { user, tokens, error, deviceType, notify, proof, resolved, hold } = revocation
  const found = tokens.revoked + tokens.alreadyGone + tokens.kept + tokens.remaining
  return {
    id: revocation.id,
    tenant: revocation.tenant,
    user: { [user.kind]: user.value, ...(resolved.length > 0 ? { resolved } : {}) },
    source: revocation.source,
    senders: sendersOf(revocation),
    reason: revocation.reason,
    scope: revocation.scope,
    ...(deviceType === null ? {} : { deviceType }),
    ...(notify.length > 0 ? { notify } : {}),
    status: statusOf(revocation),
    outcome: outcomeOf(revocation),
    tokens: { found, ...tokens, undecided: revocation.undecided },
    verified: isVerified(revocation),
    proof: proof && { ...proof, at: new Date(proof.at).toISOString() },
    verificationDueAt: isoTime(revocation.status === 'completed' ? revocation.verificationDueAt : null),
    supersededBy: revocation.supersededBy,
    attempts: revocation.attempts,
    error: error && viewFailure(error),
    occurredAt: new Date(revocation.occurredAt).toISOString(),
    acceptedAt: new Date(revocation.acceptedAt).toISOString(),
    startedAt: isoTime(revocation.startedAt),
    completedAt: isoTime(revocation.completedAt),
    nextAttemptAt: isoTime(revocation.nextAttemptAt),
    estimatedCompletionAt: isoTime(estimatedCompletionAt),
    waitingFor,
    hold: hold && {
      ...hold,
      at: new Date(hold.at).toISOString(),
      decision: hold.decision && { ...hold.decision, at: new Date(hold.decision.at).toISOString() },
    },
  }
}

/** The senders of its signals, each once. */
export function sendersOf({ sender, otherSenders }: Revocation): Omit<SenderName, 'id'>[] {
  return [...(sender === null ? [] : [sender]), ...otherSenders].map(senderNamed)
}

function statusOf({ status, supersededBy }: Revocation): StatusView {
  return status === 'failed' && supersededBy !== null ? 'superseded' : status
}

/** Both are stored as `no-such-user`, because earlier versions cannot read the other value. */
export function outcomeOf({ outcome, user }: Revocation): OutcomeView | null {
  return outcome === 'no-such-user' && user.kind !== 'userId' ? 'no-matching-user' : outcome
}

function viewFailure({ code, detail }: Failure) {
  const { title, action } = ERRORS[code]
  return { code, title, detail, action }
}
