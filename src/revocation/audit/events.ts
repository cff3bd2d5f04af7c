import type { Origin } from '../origin.ts'
import type { Proof } from '../proof.ts'
import { isSettled, isVerified, type Revocation } from '../revocation.ts'
import type { RunHistory } from '../run-history.ts'
import type { Session, SessionSource } from '../session.ts'
import type { Signal } from '../signal.ts'
import type { Retry } from '../transitions.ts'
import type { AuditEvent, Details, EventName, Head } from './entry.ts'

// What each event records. `details` contain no personal data and no secret: the personal data is in `personal`.

const NOTHING: Omit<AuditEvent, 'event'> = {
  by: null,
  address: null,
  tenant: null,
  revocation: null,
  details: {},
  personal: null,
}

/** The sender of an event; null if Curfew itself did it. */
function sentBy(origin: Origin | undefined): Pick<AuditEvent, 'by' | 'address'> {
  if (!origin) return { by: null, address: null }
  const { kind, name, id, address } = origin
  return { by: { id, kind, name }, address }
}

function requested(signal: Signal): Pick<AuditEvent, 'tenant' | 'details' | 'personal'> {
  const { tenant, user, source, reason, scope, deviceType, occurredAt } = signal
  return {
    tenant,
    details: { occurredAt, reason, scope, source },
    personal: deviceType === null ? { user } : { user, deviceType },
  }
}

/** A signal created a revocation, joined the one queued for its user, or is held by the brake on mass revocation. */
export function signalEvent(
  signal: Signal,
  { revocation, hasJoined, isHeld = false }: { revocation: Revocation; hasJoined: boolean; isHeld?: boolean },
  origin?: Origin,
): AuditEvent {
  const event = isHeld ? 'held' : hasJoined ? 'signal-joined' : 'signal-accepted'
  // Receivers are notified once of a held revocation, and not of a queued one.
  const changed = isHeld && !hasJoined ? { changed: revocation } : {}
  return { event, ...sentBy(origin), revocation: revocation.id, ...requested(signal), ...changed }
}

export function dryRunEvent(signal: Signal, origin: Origin): AuditEvent {
  return { event: 'dry-run', ...sentBy(origin), revocation: null, ...requested(signal) }
}

/** @param route the path of the route, with placeholders */
export function rejectionEvent(rejection: { code: string; route: string }, origin: Origin): AuditEvent {
  const { code, route } = rejection
  return { ...NOTHING, event: 'request-rejected', ...sentBy(origin), details: { code, route } }
}

/** An authenticated request for the service itself, such as a reload. */
export function operatorEvent(event: EventName, details: Details, origin?: Origin): AuditEvent {
  return { ...NOTHING, event, ...sentBy(origin), details }
}

/** @param session null if it was deleted; its user is not known then */
export function sessionEvent(
  { tenant, source }: SessionSource,
  sid: string,
  session: Session | null,
  origin?: Origin,
): AuditEvent {
  return {
    event: session ? 'session-recorded' : 'session-deleted',
    ...sentBy(origin),
    tenant,
    revocation: null,
    details: { source, ...(session ? { expiresAt: session.expiresAt } : {}) },
    personal: session ? { sid, user: session.user } : { sid },
  }
}

export function retryEvent(
  { id, tenant, user }: Revocation,
  { answer, change }: Retry,
  origin?: Origin,
): AuditEvent {
  const details: Details = answer.id === id ? { change } : { change, supersededBy: answer.id }
  return { event: 'retried', ...sentBy(origin), tenant, revocation: id, details, personal: { user } }
}

/** An operator has released or cancelled a held revocation. */
export function decisionEvent(
  event: 'released' | 'cancelled',
  { id, tenant, user }: Revocation,
  { into, origin }: { into: string; origin: Origin | undefined },
): AuditEvent {
  const details: Details = into === id ? {} : { joined: into }
  return { event, ...sentBy(origin), tenant, revocation: id, details, personal: { user } }
}

/** A revocation has ended, and what is known about its proof if no confirming listing is due. */
export function endEvents(ended: Revocation, history?: RunHistory): AuditEvent[] {
  const { status, outcome, tokens, attempts, error } = ended
  const details = { status, outcome, tokens, attempts, error: error?.code ?? null, ...detailsOf(history) }
  const event: AuditEvent = { ...about(ended), event: 'revocation-ended', details, changed: ended }
  return status === 'completed' ? [event, ...proofEvents(ended)] : [event]
}

/** An attempt failed, and the revocation waits for the next one. */
export function attemptEvent(
  revocation: Revocation,
  { error, nextAttemptAt }: Pick<Revocation, 'error' | 'nextAttemptAt'>,
  history: RunHistory,
): AuditEvent {
  const { attempts } = revocation
  const details = { attempts, error: error?.code ?? null, nextAttemptAt, ...detailsOf(history) }
  return { ...about(revocation), event: 'attempt-failed', details }
}

function detailsOf({ listings, waits }: RunHistory = { listings: [], waits: [] }): Details {
  return {
    ...(listings.length > 0 ? { listings: listings.map((one) => ({ ...one })) } : {}),
    ...(waits.length > 0 ? { waits: waits.map((one) => ({ ...one })) } : {}),
  }
}

/** Whether a settled revocation is verified, and its proof. None if a confirming listing is due. */
export function proofEvents(completed: Revocation): AuditEvent[] {
  if (!isSettled(completed)) return []
  const { proof, undecided, tokens, error } = completed
  const event = isVerified(completed) ? 'revocation-verified' : 'revocation-unverified'
  const details = { proof: wellFormed(proof), undecided, kept: tokens.kept, error: error?.code ?? null }
  return [{ ...about(completed), event, details, changed: completed }]
}

/** The granted scope comes from outside, and only well-formed text has a canonical form. */
function wellFormed(proof: Proof | null): Proof | null {
  return proof && { ...proof, scope: proof.scope.toWellFormed() }
}

/** A token that Qlik reports as revoked, or as gone already. */
export interface RevokedToken {
  id: string
  answer: 'revoked' | 'gone'
  /** ms since the epoch. */
  at: number
}

const TOKENS_PER_ENTRY = 200

export function tokenEvents(revocation: Revocation, tokens: readonly RevokedToken[]): AuditEvent[] {
  const events: AuditEvent[] = []
  for (let start = 0; start < tokens.length; start += TOKENS_PER_ENTRY) {
    const some = tokens.slice(start, start + TOKENS_PER_ENTRY)
    // Ids come from outside, and only well-formed text has a canonical form.
    const listed = some.map(({ id, answer, at }) => ({ id: id.toWellFormed(), answer, at }))
    events.push({ ...about(revocation), event: 'tokens-revoked', details: { tokens: listed } })
  }
  return events
}

function about({ id, tenant, user, resolved }: Revocation): Omit<AuditEvent, 'event'> {
  const qlikUsers = resolved.map((userId) => userId.toWellFormed())
  return {
    ...NOTHING,
    tenant,
    revocation: id,
    personal: { user, ...(qlikUsers.length > 0 ? { qlikUsers } : {}) },
  }
}

/** The first entry of a chain. */
export function chainStarted(heads: readonly Head[]): AuditEvent {
  return operatorEvent('chain-started', { heads: [...heads] })
}

/** The ends of other chains, so that a missing chain or end is detected. */
export function headsListed(heads: readonly Head[]): AuditEvent {
  return operatorEvent('heads', { heads: [...heads] })
}

/** @param checkpoints the last deleted entry of each chain whose beginning was deleted */
export function entriesPurged(checkpoints: readonly Head[]): AuditEvent {
  return operatorEvent('entries-purged', { checkpoints: [...checkpoints] })
}
