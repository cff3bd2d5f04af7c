import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import type { Accept } from '../revocation/accept.ts'
import type { DryRun } from '../revocation/dry-run.ts'
import type { Estimate } from '../revocation/estimate.ts'
import type { Outbox } from '../revocation/outbox.ts'
import type { ReplayKey } from '../revocation/replay.ts'
import { hasEnded, isSettled, type Revocation } from '../revocation/revocation.ts'
import { type RevocationView, view } from '../revocation/revocation-view.ts'
import type { Signal } from '../revocation/signal.ts'
import type { TenantNames } from '../revocation/tenant-bounds.ts'
import type { Waiters } from '../revocation/waiters.ts'
import type { FindWait } from '../revocation/waiting-for.ts'
import { idempotencyReplay, webhookReplay } from './idempotency.ts'
import { originOf } from './origin-of.ts'
import { preferredWait } from './prefer.ts'

/** For the OpenAPI descriptions. */
export const REPEATABLE =
  'A request repeated with the same `webhook-id` within 3 days, or with the same `Idempotency-Key` within 10 minutes, ' +
  'returns the first response again.'
export const WAITING =
  '`Prefer: wait=N` waits up to 30 s for the revocation to finish. If it does, the response is 200 with the finished ' +
  'revocation. If it is held, the response is 202 at once.'

/** The dependencies of all routes that accept signals. */
export interface InboundOptions {
  accept: Accept
  waiters: Waiters
  estimate: Estimate
  dryRun: DryRun
  findWait: FindWait
  tenants: TenantNames
  /** The receivers that a signal may name. */
  outbox: Pick<Outbox, 'named'>
  clock: Clock
}

/**
 * Makes a signal durable and answers with its revocation: 202 and its location, or 200 if the sender prefers to wait
 * and the revocation finishes in time.
 */
export async function answerSignal(
  request: FastifyRequest,
  reply: FastifyReply,
  signal: Signal,
  options: InboundOptions,
): Promise<RevocationView> {
  const replay = replayKeyOf(request, signal.tenant, options.clock)
  const { revocations } = await options.accept([signal], replay, originOf(request))
  const [accepted] = revocations
  if (!accepted) throw new Error('The store accepted a signal but returned no revocation.')
  // Only an operator can end a held one, which takes longer than the wait.
  const canEnd = accepted.status !== 'held'
  const waited = canEnd ? await afterPreferredWait(request, reply, accepted, options.waiters) : null
  const revocation = waited ?? accepted
  reply.code(waited && hasEnded(waited) ? 200 : 202).header('location', `/revocations/${revocation.id}`)
  return view(revocation, repeatableEstimate(revocation, replay, options), options.findWait(revocation))
}

/** Null if the request can be repeated: it gets the same answer then, and an estimate changes. */
export function repeatableEstimate(
  revocation: Revocation,
  replay: ReplayKey | null,
  { estimate }: Pick<InboundOptions, 'estimate'>,
): number | null {
  return replay === null ? estimate(revocation) : null
}

/** The key that identifies repetitions of this request, or null if the sender supplied none. */
export function replayKeyOf(request: FastifyRequest, tenant: string, clock: Clock): ReplayKey | null {
  const { sender, headers, method, url, rawBody } = request
  if (sender?.kind === 'webhook')
    return webhookReplay(sender.webhookId, { tenant, body: rawBody, now: clock.now() })
  if (sender?.kind !== 'api-key') return null
  const header = headers['idempotency-key']
  return idempotencyReplay({ header, apiKey: sender.fingerprint, route: `${method} ${url}`, body: rawBody })
}

/**
 * Waits until the revocation ends, or, if it has already ended, until it is settled; no longer than the caller prefers.
 * Returns null if the caller does not prefer to wait.
 */
export async function afterPreferredWait(
  request: FastifyRequest,
  reply: FastifyReply,
  revocation: Revocation,
  waiters: Waiters,
): Promise<Revocation | null> {
  const seconds = preferredWait(request.headers.prefer)
  if (seconds === null) return null
  reply.header('preference-applied', `wait=${seconds}`)
  return waiters.until(hasEnded(revocation) ? isSettled : hasEnded, revocation, seconds * 1000)
}
