import { Counter, Histogram, Registry } from '@prometheus-io/client'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { MONITORING_RATE, sharedWork } from '../base/shared-work.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { REFUSALS, type Refusal } from '../http/refusals.ts'
import type { Rejection } from '../http/rejections.ts'
import type { Route } from '../qlik/http.ts'
import type { NotificationType, ReceiverConfig } from '../revocation/notification.ts'
import { hasEnded, isSettled, isVerified, type Revocation } from '../revocation/revocation.ts'
import { outcomeOf } from '../revocation/revocation-view.ts'
import { createGauges, type GaugeOptions } from './gauges.ts'

/**
 * The counters and histograms. The histograms have no tenant label, because each has a dozen series and there can be
 * thousands of tenants. `docs/reference/metrics.md` lists the same names, which a test checks.
 */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const signals = new Counter({
    name: 'curfew_signals_total',
    help: 'Signals by source and result: accepted, replayed, ignored or rejected.',
    labelNames: ['source', 'result'],
    registers,
  })
  const rejections = new Counter({
    name: 'curfew_rejections_total',
    help: 'Rejected signals, requests and events of sources, and failed authentications, by error code.',
    labelNames: ['source', 'reason'],
    registers,
  })
  const held = new Counter({
    name: 'curfew_held_total',
    help: 'Signals held because their sender named too many users.',
    labelNames: ['source'],
    registers,
  })
  const revocations = new Counter({
    name: 'curfew_revocations_total',
    help: 'Finished revocations.',
    labelNames: ['tenant', 'status', 'outcome'],
    registers,
  })
  const tokensRevoked = new Counter({
    name: 'curfew_tokens_revoked_total',
    help: 'Tokens revoked.',
    labelNames: ['tenant'],
    registers,
  })
  const timeToRevoke = new Histogram({
    name: 'curfew_time_to_revoke_seconds',
    help: 'Time from accepting a signal to the first listing without a token in scope.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400],
    registers,
  })
  const timeToVerify = new Histogram({
    name: 'curfew_time_to_verify_seconds',
    help: 'Time from accepting a signal to the listing that proves that no token in scope is left.',
    buckets: [5, 6, 6.5, 7, 8, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400],
    registers,
  })
  const verifications = new Counter({
    name: 'curfew_verifications_total',
    help: 'Completed revocations that are verified, remain unverified, or are queued again because a token was found.',
    labelNames: ['tenant', 'result'],
    registers,
  })
  const qlikRequests = new Counter({
    name: 'curfew_qlik_requests_total',
    help: 'Calls to Qlik Cloud by HTTP status; 0 if there was no response.',
    labelNames: ['tenant', 'route', 'status'],
    registers,
  })
  const qlikSeconds = new Histogram({
    name: 'curfew_qlik_request_seconds',
    help: 'Duration of calls to Qlik Cloud.',
    labelNames: ['route'],
    registers,
  })
  const notifications = new Counter({
    name: 'curfew_notifications_total',
    help: 'Attempts to notify receivers: delivered, retried later, or given up (failed).',
    labelNames: ['receiver', 'type', 'result'],
    registers,
  })
  const refusals = new Counter({
    name: 'curfew_refusals_total',
    help: 'Connections and requests that a limit for unauthenticated clients refused.',
    labelNames: ['reason'],
    registers,
  })
  for (const reason of REFUSALS) refusals.inc({ reason }, 0)
  return {
    registry,
    refused: (reason: Refusal) => refusals.inc({ reason }),
    signal: (source: string, result: 'accepted' | 'replayed' | 'ignored', count = 1) =>
      signals.inc({ source, result }, count),
    /**
     * Creates the series that alerts watch: Prometheus does not see the first increase of a series that begins with it, nor
     * the silence of a source without one.
     */
    expect(
      sources: Iterable<{ name: string }>,
      tenants: Iterable<{ name: string }>,
      receivers: Iterable<Pick<ReceiverConfig, 'name' | 'events'>>,
    ): void {
      for (const { name } of sources) signals.inc({ source: name, result: 'accepted' }, 0)
      for (const { name: tenant } of tenants) {
        revocations.inc({ tenant, status: 'failed', outcome: '' }, 0)
        verifications.inc({ tenant, result: 'unverified' }, 0)
      }
      for (const { name: receiver, events } of receivers)
        for (const type of events) notifications.inc({ receiver, type, result: 'failed' }, 0)
    },
    rejected({ source, code, isSignal, events }: Pick<Rejection, 'source' | 'code' | 'isSignal' | 'events'>) {
      rejections.inc({ source, reason: code }, events ?? 1)
      // A replayed token is counted when its signal is accepted.
      if (isSignal && source !== 'unknown' && code !== 'CURFEW_TOKEN_REPLAYED')
        signals.inc({ source, result: 'rejected' }, events ?? 1)
    },
    notified: (receiver: string, type: NotificationType, result: 'delivered' | 'retried' | 'failed') =>
      notifications.inc({ receiver, type, result }),
    held: (source: string) => held.inc({ source }),
    ended(revocation: Revocation) {
      const { tenant, status, completedAt } = revocation
      revocations.inc({ tenant, status, outcome: outcomeOf(revocation) ?? '' })
      if (status === 'completed' && completedAt !== null)
        timeToRevoke.observe((completedAt - startOf(revocation)) / 1000)
      this.settled(revocation, completedAt ?? startOf(revocation))
    },
    /** Counts a completed revocation that is finally verified or unverified, or queued again. */
    settled(revocation: Revocation, now: number) {
      const result = verificationOf(revocation)
      if (result === null) return
      verifications.inc({ tenant: revocation.tenant, result })
      if (result === 'verified') timeToVerify.observe((now - startOf(revocation)) / 1000)
    },
    qlikCall(tenant: string, { route, status, seconds }: { route: Route; status: number; seconds: number }) {
      qlikRequests.inc({ tenant, route, status: String(status) })
      qlikSeconds.observe({ route }, seconds)
      // Counted per call: counting when a revocation ends would count tokens twice if it fails and is retried.
      if (route === 'revoke' && status >= 200 && status < 300) tokensRevoked.inc({ tenant })
    },
  }
}

/** When Curfew could begin: the time of a release, or of the first signal. */
function startOf({ acceptedAt, hold }: Revocation): number {
  return hold?.decision?.at ?? acceptedAt
}

/** The verification result of a completed revocation; null while its confirming listing is due. */
function verificationOf(revocation: Revocation): 'verified' | 'unverified' | 'token-found' | null {
  if (!hasEnded(revocation)) return 'token-found'
  if (revocation.status === 'failed' || !isSettled(revocation)) return null
  return isVerified(revocation) ? 'verified' : 'unverified'
}

export type Metrics = ReturnType<typeof createMetrics>

export interface MetricsOptions extends GaugeOptions {
  metrics: Metrics
  sources: { entries(): readonly { name: string }[] }
  clock: Pick<Clock, 'now' | 'monotonic'>
}

/** `GET /metrics`, in the Prometheus text format. Gauges are read on each request, but not more than five times a second. */
export default async function metricsRoute(
  app: FastifyInstance,
  { metrics, sources, ...options }: MetricsOptions,
) {
  const { registry } = metrics
  const readGauges = createGauges(registry, options)

  const schema = {
    operationId: 'getMetrics',
    summary: 'Metrics in the Prometheus text format',
    description: 'docs/reference/metrics.md describes each metric.',
    tags: ['operations'],
    response: { 200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } } },
  }

  const exposition = sharedWork(expose, new TokenBucket({ ...MONITORING_RATE, clock: options.clock }))
  app.get('/metrics', { schema, config: { isForOperators: true } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await exposition()),
  )

  async function expose(): Promise<Buffer> {
    metrics.expect(sources.entries(), options.tenants.opened(), options.outbox.receivers())
    await readGauges()
    // One buffer for all responses that are not read yet.
    return Buffer.from(await registry.metrics())
  }
}
