import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { HttpQlikTenant } from '../qlik/tenant.ts'
import type { RevocationStore } from '../revocation/store.ts'

const Check = z.object({
  name: z.string(),
  status: z.enum(['ok', 'warning', 'failed']),
  detail: z.string().optional(),
})
type Check = z.infer<typeof Check>

const Health = z.object({ status: z.enum(['ready', 'not-ready']), checks: z.array(Check) })

export interface HealthOptions {
  store: RevocationStore
  tenants: ReadonlyMap<string, HttpQlikTenant>
  isStopping: () => boolean
  isClaimFailing: () => boolean
}

/** Curfew allows for the difference, but a clock that is this far off should be set. */
const CLOCK_OFFSET_WARNING_MS = 5_000

/**
 * `GET /health/live` and `GET /health/ready`. A tenant that is down does not make the service unready: signals
 * are still made durable, and sent away they would be lost.
 */
const health: FastifyPluginAsyncZod<HealthOptions> = async (
  app,
  { store, tenants, isStopping, isClaimFailing },
) => {
  const options = { logLevel: 'silent' as const }

  app.get(
    '/health/live',
    {
      ...options,
      schema: {
        summary: 'Whether the process runs',
        tags: ['operations'],
        response: { 200: z.object({ status: z.literal('live') }) },
      },
    },
    async () => ({ status: 'live' as const }),
  )

  app.get(
    '/health/ready',
    {
      ...options,
      schema: {
        summary: 'Whether signals are taken and can be acted on',
        tags: ['operations'],
        response: { 200: Health, 503: Health },
      },
    },
    async (_request, reply) => {
      const checks = [
        lifecycleCheck(isStopping()),
        await storeCheck(store, isClaimFailing()),
        ...[...tenants.values()].map(tenantCheck),
      ]
      const failed = checks.some((check) => check.status === 'failed')
      return reply.code(failed ? 503 : 200).send({ status: failed ? 'not-ready' : 'ready', checks })
    },
  )
}

function lifecycleCheck(stopping: boolean): Check {
  return stopping
    ? { name: 'lifecycle', status: 'failed', detail: 'shutting down' }
    : { name: 'lifecycle', status: 'ok' }
}

async function storeCheck(store: RevocationStore, isClaimFailing: boolean): Promise<Check> {
  if (isClaimFailing)
    return { name: 'store', status: 'failed', detail: 'Nothing can be claimed: see the log.' }
  try {
    await store.check()
    return { name: 'store', status: 'ok' }
  } catch {
    return { name: 'store', status: 'failed', detail: 'The database cannot be written: see the log.' }
  }
}

function tenantCheck({ name, state }: HttpQlikTenant): Check {
  const check = { name: `tenant:${name}` }
  const { power, failure, clockOffsetMs } = state
  if (power === 'lacking') {
    const detail = 'The OAuth client lacks the role TenantAdmin: it cannot see the tokens of other users.'
    return { ...check, status: 'failed', detail }
  }
  if (failure) return { ...check, status: 'warning', detail: failure.detail }
  if (power === 'unknown') {
    const detail = 'It is not known whether the OAuth client can see the tokens of other users.'
    return { ...check, status: 'warning', detail }
  }
  if (Math.abs(clockOffsetMs) > CLOCK_OFFSET_WARNING_MS) {
    return {
      ...check,
      status: 'warning',
      detail: `The tenant's clock differs by ${Math.round(clockOffsetMs / 1000)} s.`,
    }
  }
  return { ...check, status: 'ok', ...(power === 'not-checked' ? { detail: 'not yet looked at' } : {}) }
}

export default health
