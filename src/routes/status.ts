import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { isoTime } from '../base/iso-time.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import type { Tier } from '../qlik/budget/permit-log.ts'
import { classOf } from '../qlik/pool.ts'
import type { Tenants } from '../qlik/tenants.ts'
import type { Estimates } from '../revocation/estimates.ts'
import { Identifier } from '../revocation/signal.ts'
import { mayUse } from '../revocation/tenant-bounds.ts'
import type { TenantStatus } from '../revocation/tenant-status.ts'
import { WaitingFor } from '../revocation/waiting-for.ts'

const count = z.number().int().min(0)
const time = z.iso.datetime().nullable()

const Backlog = z
  .object({
    queued: count,
    running: count,
    tokens: count.describe('Number of tokens that remain, of the users whose tokens are counted'),
    uncounted: count.describe('Number of users whose tokens are not counted yet'),
  })
  .meta({ id: 'Backlog' })

const Budget = z
  .object({
    available: count.describe('Number of calls that can start now'),
    perWindow: count.describe('Number of calls in any window'),
    nextAt: time.describe('When the next call can start; null if one can now'),
    blockedUntil: time.describe(
      'Until when a 429 response of Qlik Cloud blocks the calls; null if none does',
    ),
  })
  .meta({ id: 'Budget' })

const ClientView = z
  .object({
    client: z.string().describe('Id of the OAuth client'),
    isRefused: z
      .boolean()
      .describe('Whether it is not used: Qlik Cloud refuses it, or it lacks its role or scope'),
    reads: Budget.describe('Tier 1: listing tokens and finding users'),
    revocations: Budget.describe('Tier 2: revoking tokens and requesting access tokens'),
  })
  .meta({ id: 'ClientBudgets' })

const TenantView = z
  .object({
    tenant: z.string(),
    backlog: z.object({ security: Backlog, logout: Backlog, 'session-expired': Backlog }),
    remainingTokens: count.describe(
      'Of all reasons: number of tokens that remain, as far as they are counted',
    ),
    permits: z
      .object({
        available: count.describe('Number of revoking calls that can start now'),
        perWindow: count.describe('Number of revoking calls in any window'),
        nextAt: time.describe('When the next revoking call can start; null if one can now'),
      })
      .nullable()
      .describe('What the rate limits of all clients allow; null if the tenant is not configured'),
    blockedUntil: time.describe(
      'Until when 429 responses of Qlik Cloud block the reads or the revocations of all clients; null if they do not',
    ),
    clients: z
      .array(ClientView)
      .describe('What the rate limits of each OAuth client allow; empty while the tenant is not in use'),
    estimatedCompletionAt: time.describe(
      'When the backlog is expected to be empty; null if it is empty, or if no revocation can proceed: then `waitingFor` gives the reason',
    ),
    oldestQueuedAt: time.describe('When the oldest queued revocation was accepted; null if none is queued'),
    waitingFor: WaitingFor.nullable(),
  })
  .meta({ id: 'TenantStatus', description: "A tenant's backlog, and when it will be empty" })

export interface StatusOptions {
  estimates: Pick<Estimates, 'refresh' | 'tenants' | 'statusOf'>
  tenants: Pick<Tenants, 'opened' | 'has' | 'ifOpen' | 'clientBlockedUntil'>
  clock: Pick<Clock, 'now'>
}

/** `GET /status`: per tenant the backlog, the budget, and when the backlog will be empty. */
const status: FastifyPluginAsyncZod<StatusOptions> = async (app, { estimates, tenants, clock }) => {
  app.get(
    '/status',
    {
      config: { senders: ['api-key'], role: 'read' },
      schema: {
        operationId: 'getStatus',
        summary: "Each tenant's backlog, and when it will be empty",
        description:
          'The tenants in use, of those that the API key is valid for: those with an open connection or a backlog.',
        tags: ['operations'],
        security: [{ apiKey: [] }],
        querystring: z.strictObject({
          tenant: Identifier.optional().describe('Only this tenant, even if it is not in use'),
        }),
        response: {
          200: z
            .object({ at: z.iso.datetime(), tenants: z.array(TenantView) })
            .describe('The tenants, in the order of their names'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      await estimates.refresh()
      const sender = provenSender(request)
      const opened = [...tenants.opened()].map(({ name }) => name)
      const inUse = new Set([...opened, ...estimates.tenants()])
      const { tenant } = request.query
      if (tenant !== undefined && !(mayUse(sender, tenant) && (tenants.has(tenant) || inUse.has(tenant))))
        throw new CurfewError('CURFEW_UNKNOWN_TENANT')
      const names = tenant === undefined ? [...inUse].filter((name) => mayUse(sender, name)).sort() : [tenant]
      const at = new Date(clock.now()).toISOString()
      return { at, tenants: names.map((name) => show(estimates.statusOf(name), clientsOf(name, tenants))) }
    },
  )
}

function show(status: TenantStatus, clients: z.infer<typeof ClientView>[]): z.infer<typeof TenantView> {
  const { tenant, backlog, outlook, blockedUntil, emptyAt, oldestQueuedAt } = status
  return {
    tenant,
    backlog: {
      security: countsOf(backlog.security),
      logout: countsOf(backlog.logout),
      'session-expired': countsOf(backlog['session-expired']),
    },
    remainingTokens: Object.values(backlog).reduce((sum, { knownTokens }) => sum + knownTokens, 0),
    permits: outlook && {
      available: outlook.permits,
      perWindow: outlook.permitsPerWindow,
      nextAt: isoTime(outlook.nextPermitAt),
    },
    blockedUntil: isoTime(blockedUntil),
    clients,
    estimatedCompletionAt: isoTime(emptyAt),
    oldestQueuedAt: isoTime(oldestQueuedAt),
    waitingFor: waitOf(status),
  }
}

function clientsOf(name: string, tenants: StatusOptions['tenants']): z.infer<typeof ClientView>[] {
  const clients = tenants.ifOpen(name)?.pool.clients ?? []
  return clients.map((client) => {
    const { clientId, budget } = client
    const of = (tier: Tier) => {
      const blockedUntil = tenants.clientBlockedUntil(name, clientId, tier)
      return {
        available: budget.remaining(tier),
        perWindow: budget.limitOf(tier).limit,
        nextAt: isoTime(budget.usedUpUntil(tier) ?? blockedUntil),
        blockedUntil: isoTime(blockedUntil),
      }
    }
    return { client: clientId, isRefused: classOf(client) === 'out', reads: of(1), revocations: of(2) }
  })
}

function countsOf({ queued, running, knownTokens, uncounted }: TenantStatus['backlog']['logout']) {
  return { queued, running, tokens: knownTokens, uncounted }
}

function waitOf({ unended, hindrance, blockedUntil, outlook }: TenantStatus): WaitingFor | null {
  if (hindrance !== null) return { what: hindrance, until: null }
  if (unended === 0) return null
  const blocked = isoTime(blockedUntil)
  if (blocked !== null) return { what: 'qlik-rate-limit', until: blocked }
  const next = isoTime(outlook?.nextPermitAt ?? null)
  return next === null ? null : { what: 'budget', until: next }
}

export default fp(status, { name: 'status', ...PROVEN })
