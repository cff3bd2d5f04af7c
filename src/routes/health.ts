import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Check } from '../base/check.ts'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { MONITORING_RATE, sharedWork } from '../base/shared-work.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { optionalSender } from '../http/by-api-key.ts'
import { expiryChecks } from '../http/key-expiry.ts'
import { SenderViews } from '../http/sender-views.ts'
import type { Sender, Senders } from '../http/senders.ts'
import type { Deprecations } from '../qlik/deprecations.ts'
import { type KnownTenants, tenantChecks } from '../qlik/tenant-checks.ts'
import type { RevocationStore } from '../revocation/store.ts'

/** Only for requests with an API key that has the role `operate` or `admin`. */
const OperatorsOnly = SenderViews.partial()
const Health = z.object({
  status: z.enum(['ready', 'not-ready']),
  checks: z.array(Check).optional().describe('Not on the public listener if operators have their own'),
  ...OperatorsOnly.shape,
})

export interface HealthOptions {
  store: RevocationStore
  tenants: KnownTenants
  deprecations: Pick<Deprecations, 'of'>
  sources: { checks(): Check[] }
  /** Null if the audit trail is turned off. */
  trail: { checks(): Check[] } | null
  /** Absent if the part is left out. */
  notifications?: { checks(): Check[] } | undefined
  senders: Pick<Senders, 'apiKeys' | 'byApiKey'>
  /** What this sender can see of all senders. */
  viewSenders: (sender: Sender | null) => Partial<SenderViews>
  clock: Clock
  isStopping: () => boolean
  isClaimFailing: () => boolean
}

/**
 * `GET /health/live` and `GET /health/ready`. A tenant that is down does not make the service unready: signals
 * are still made durable, and would be lost if a proxy rejected them.
 */
const health: FastifyPluginAsyncZod<HealthOptions> = async (
  app,
  {
    store,
    tenants,
    deprecations,
    sources,
    senders,
    trail,
    notifications,
    viewSenders,
    clock,
    isStopping,
    isClaimFailing,
  },
) => {
  const options = { logLevel: 'silent' as const, config: { isProbe: true } }
  // Each check asks the store, and there can be thousands of tenants.
  const storeState = sharedWork(
    async () => [
      await storeCheck(store, isClaimFailing()),
      ...(await heldChecks(store)),
      ...tenantChecks(tenants, deprecations),
    ],
    new TokenBucket({ ...MONITORING_RATE, clock }),
  )

  const allChecks = async (): Promise<Check[]> => [
    lifecycleCheck(isStopping()),
    ...(await storeState()),
    ...sources.checks(),
    ...expiryChecks(senders.apiKeys(), clock.now()),
    ...(trail?.checks() ?? []),
    ...(notifications?.checks() ?? []),
  ]

  app.get(
    '/health/live',
    {
      ...options,
      schema: {
        operationId: 'getLiveness',
        summary: 'Whether the process runs',
        description: 'For liveness probes.',
        tags: ['operations'],
        response: { 200: z.object({ status: z.literal('live') }).describe('The process runs') },
        'x-facts': { isUnlimited: true },
      },
    },
    async () => ({ status: 'live' as const }),
  )

  app.get(
    '/health/ready',
    {
      ...options,
      schema: {
        operationId: 'getReadiness',
        summary: 'Whether signals are accepted and can be acted on',
        description:
          'For readiness probes. A tenant that is down is a warning: signals are still stored. With an API key that has ' +
          'the role `operate` or `admin`, the response contains the API keys, the names of webhook secrets, and the sources, ' +
          'each with its last accepted and last rejected request. If operators have their own listener, the public one returns the status only.',
        tags: ['operations'],
        response: {
          200: Health.describe('Signals are accepted; checks may be `warning`'),
          503: Health.describe('At least one check is `failed`'),
        },
        'x-facts': { isUnlimited: true },
      },
    },
    async (request, reply) => {
      if (request.listener === 'public') {
        const failed = hasFailed(await allChecks())
        return reply.code(failed ? 503 : 200).send({ status: failed ? 'not-ready' : 'ready' })
      }
      // First, so that the key of this request is shown as used.
      const visible = viewSenders(optionalSender(request, senders))
      const checks = await allChecks()
      const failed = hasFailed(checks)
      return reply
        .code(failed ? 503 : 200)
        .send({ status: failed ? 'not-ready' : 'ready', checks, ...visible })
    },
  )
}

function hasFailed(checks: readonly Check[]): boolean {
  return checks.some(({ status }) => status === 'failed')
}

function lifecycleCheck(stopping: boolean): Check {
  return stopping
    ? { name: 'lifecycle', status: 'failed', detail: 'shutting down' }
    : { name: 'lifecycle', status: 'ok' }
}

/** A warning while revocations are held. Without the senders: anyone can read it. */
async function heldChecks(store: RevocationStore): Promise<Check[]> {
  // If the store is unavailable, its own check says so.
  const backlog = await store.backlog(['held']).catch(() => [])
  const held = backlog.reduce((sum, { count }) => sum + count, 0)
  if (held === 0) return []
  const detail = `${held} revocations are held: a sender named too many users. Release or cancel them.`
  return [{ name: 'held', status: 'warning', detail }]
}

async function storeCheck(store: RevocationStore, isClaimFailing: boolean): Promise<Check> {
  if (isClaimFailing)
    return { name: 'store', status: 'failed', detail: 'Revocations cannot be claimed: see the log.' }
  try {
    await store.check()
    return { name: 'store', status: 'ok' }
  } catch (error) {
    // The store's own messages contain neither a path nor an address.
    const detail = error instanceof CurfewError ? error.message : 'The database cannot be written.'
    return { name: 'store', status: 'failed', detail: `${detail} See the log.` }
  }
}

export default health
