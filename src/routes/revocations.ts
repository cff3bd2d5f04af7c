import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { afterPreferredWait } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import type { Estimates } from '../revocation/estimates.ts'
import { userKey } from '../revocation/keys.ts'
import { hasEnded, type Revocation } from '../revocation/revocation.ts'
import { RevocationView, view } from '../revocation/revocation-view.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { mayUse, type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'
import type { Waiters } from '../revocation/waiters.ts'
import type { FindWait } from '../revocation/waiting-for.ts'
import { CountView, queryFrom, RevocationSearch } from './revocation-search.ts'

export interface RevocationRoutesOptions {
  store: RevocationStore
  waiters: Waiters
  estimates: Pick<Estimates, 'refresh' | 'estimate'>
  findWait: FindWait
  tenants: TenantNames
  /** Called when there is something to claim. */
  wake: () => void
  /** Called with the id of a revocation that was cancelled. */
  onWithdrawn: (id: string) => void
  clock: Clock
}

/** Not validated as a UUID: an unknown id returns 404 whether it is well-formed or not. */
const byId = z.object({ id: z.string().describe('Id of a revocation') })

const common = { tags: ['revocations'], security: [{ apiKey: [] }] }

/** The routes that read, list, retry and cancel revocations. */
const revocations: FastifyPluginAsyncZod<RevocationRoutesOptions> = async (
  app,
  { store, waiters, estimates, findWait, tenants, wake, onWithdrawn, clock },
) => {
  const config = { senders: ['api-key'], role: 'read' } as const

  /** A revocation in another tenant than the caller's is reported as unknown. */
  async function visible(request: FastifyRequest, id: string): Promise<Revocation> {
    const revocation = await store.get(id)
    if (revocation && mayUse(provenSender(request), revocation.tenant)) return revocation
    throw new CurfewError('CURFEW_UNKNOWN_REVOCATION')
  }

  const show = (one: Revocation) => view(one, estimates.estimate(one), findWait(one))

  const showOne = async (revocation: Revocation) => {
    if (!hasEnded(revocation)) await estimates.refresh()
    return show(revocation)
  }

  async function showAll(revocations: readonly Revocation[]): Promise<RevocationView[]> {
    if (!revocations.every(hasEnded)) await estimates.refresh()
    return revocations.map(show)
  }

  app.get(
    '/revocations/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'getRevocation',
        summary: 'Get a revocation',
        description:
          '`Prefer: wait=N` waits up to 30 s for the revocation to finish, or, if it is completed and ' +
          '`verificationDueAt` is set, for its confirming listing.',
        params: byId,
        response: { 200: RevocationView.describe('The revocation'), default: problemAnswer },
        'x-facts': { requestHeaders: ['Prefer'], responseHeaders: { 200: ['Preference-Applied'] } },
      },
    },
    async (request, reply) => {
      const revocation = await visible(request, request.params.id)
      // So that a caller who got 202 can wait without polling.
      const waited = await afterPreferredWait(request, reply, revocation, waiters)
      return showOne(waited ?? revocation)
    },
  )

  app.get(
    '/revocations',
    {
      config,
      schema: {
        ...common,
        operationId: 'listRevocations',
        summary: 'List revocations, newest first',
        description:
          'Of the tenants that the API key is valid for. All conditions must apply. The response has `nextCursor` if there are ' +
          'more; a page can then have fewer items than `limit`.',
        querystring: RevocationSearch,
        response: {
          200: z
            .object({
              items: z.array(RevocationView),
              nextCursor: z.uuid().nullable(),
              count: CountView.optional(),
            })
            .describe('A page'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const sender = provenSender(request)
      const search = queryFrom(request.query, () => tenantFor(undefined, sender, tenants))
      const query = { ...search, tenants: sender.tenants ?? undefined }
      const { items, nextCursor } = await store.list(query)
      const count = request.query.count ? { count: await store.count(query) } : {}
      return { items: await showAll(items), nextCursor, ...count }
    },
  )

  app.post(
    '/revocations/:id/retry',
    {
      config: { ...config, role: 'operate' },
      schema: {
        ...common,
        operationId: 'retryRevocation',
        summary: 'Retry a failed, unverified or waiting revocation now',
        description:
          'If another revocation is queued for the same user, that one is returned and supersedes this one.',
        params: byId,
        response: {
          202: RevocationView.describe('The revocation that now does the work'),
          default: problemAnswer,
        },
        'x-facts': { responseHeaders: { 202: ['Location'] } },
      },
    },
    async (request, reply) => {
      await visible(request, request.params.id)
      const revocation = await store.retry(request.params.id, clock.now(), originOf(request))
      if (!revocation) throw new CurfewError('CURFEW_UNKNOWN_REVOCATION')
      wake()
      return reply
        .code(202)
        .header('location', `/revocations/${revocation.id}`)
        .send(await showOne(revocation))
    },
  )

  app.delete(
    '/revocations/:id',
    {
      config: { ...config, role: 'operate' },
      schema: {
        ...common,
        operationId: 'cancelRevocation',
        summary: 'Cancel a queued, held or running revocation',
        description:
          'A run stops before its next call to Qlik Cloud. Tokens that are already revoked stay revoked. If several senders ' +
          'requested it, cancelling requires `force`. Repeating the request has no effect.',
        params: byId,
        querystring: z.strictObject({
          force: z
            .enum(['true', 'false'])
            .default('false')
            .describe('`true` also cancels the signals of other senders'),
        }),
        response: { 200: RevocationView.describe('The cancelled revocation'), default: problemAnswer },
      },
    },
    async (request) => {
      const { id } = request.params
      await visible(request, id)
      const options = { now: clock.now(), force: request.query.force === 'true' }
      const revocation = await store.withdraw(id, options, originOf(request))
      if (!revocation) throw new CurfewError('CURFEW_UNKNOWN_REVOCATION')
      onWithdrawn(revocation.id)
      waiters.notify(userKey(revocation.tenant, revocation.user))
      return show(revocation)
    },
  )
}

export default fp(revocations, { name: 'revocations', ...PROVEN })
