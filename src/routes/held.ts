import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { describeExactlyOne } from '../http/exactly-one.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import { userKey } from '../revocation/keys.ts'
import { isPosition, SenderName } from '../revocation/origin.ts'
import type { Decided, HeldQuery } from '../revocation/store/held-store.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { CancelQuery, cancelMatching, type DecideOptions, releaseMatching } from './decide-matching.ts'
import { MAX_IDS, Matching, MatchingQuery, MatchingView, requireNoMatchingQuery } from './matching.ts'

/** A transaction blocks the event loop, or other transactions of the same users, so it must stay small. */
const DECIDED_AT_ONCE = 500
/** About a second. Callers repeat the request while there are more. */
const MAX_BATCHES = 20

const members = {
  ids: z.array(z.uuid()).min(1).max(MAX_IDS).describe('Ids of held revocations; others are ignored'),
  sender: z
    .strictObject(SenderName.shape)
    .refine(({ name, id }) => id !== '' || !isPosition(name), {
      error: 'expected the id: another key can have this position now',
      path: ['id'],
    })
    .describe(
      'All that are held from this sender: `hold.sender` of the revocations. Without a name of its own, it needs the `id`',
    ),
  all: z.literal(true).describe('All held revocations'),
  matching: Matching,
}
const Selection = z
  .strictObject({
    ids: members.ids.optional(),
    sender: members.sender.optional(),
    all: members.all.optional(),
    matching: members.matching.optional(),
  })
  .refine(
    (body) => Object.values(body).filter((value) => value !== undefined).length === 1,
    'expected exactly one of ids, sender, all, matching',
  )
  .meta({ oneOf: describeExactlyOne(members) })
type Selection = z.infer<typeof Selection>

const count = z.number().int().min(0)
const more = z
  .boolean()
  .describe(
    'Whether there are more: repeat the request until it is false, with `matching` also with `cursor`',
  )
const ofMatching = MatchingView.partial().shape
const Released = z.object({
  released: count,
  joined: count.describe(
    'How many of the released ones joined a revocation that was queued for the same user',
  ),
  more,
  ...ofMatching,
})
const Cancelled = z.object({ cancelled: count, more, ...ofMatching })

const EXAMPLES = {
  sender: { summary: 'Everything held from a source', value: { sender: { kind: 'source', name: 'okta' } } },
  ids: { summary: 'Some of them', value: { ids: ['03b2a7f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b'] } },
  all: { summary: 'Everything that is held', value: { all: true } },
  matching: {
    summary: 'Everything from a source since a time',
    value: { matching: { source: 'okta', since: '2026-11-27T12:00:00Z' } },
  },
} as const

export interface HeldOptions extends DecideOptions {
  store: DecideOptions['store'] & Pick<RevocationStore, 'cancel'>
  /** Called when there is something to claim. */
  wake: () => void
}

/** The routes that decide about revocations that the brake on mass revocation holds, and that cancel others. */
const held: FastifyPluginAsyncZod<HeldOptions> = async (app, options) => {
  const { store, waiters, wake, clock } = options
  const config = { senders: ['api-key'], role: 'operate' } as const
  const common = {
    tags: ['revocations'],
    security: [{ apiKey: [] }],
    body: Selection,
    'x-facts': { examples: EXAMPLES },
  }
  const ofTenants =
    'Selects only revocations of the tenants of the API key: oldest first, up to 10,000 per request. With `matching`: newest ' +
    'first, up to 1,000 per request.'

  app.post(
    '/revocations/release',
    {
      config,
      schema: {
        ...common,
        operationId: 'releaseRevocations',
        summary: 'Release held revocations',
        description: `Queues them, with the times of their signals. ${ofTenants}`,
        querystring: MatchingQuery,
        response: { 200: Released.describe('They are queued'), default: problemAnswer },
      },
    },
    async (request) => {
      const { body, query } = request
      try {
        if (body.matching) return await releaseMatching(request, body.matching, query, options)
        requireNoMatchingQuery(query)
        const { decided, joined, more } = await decideAll(request, body, store.release)
        return { released: decided, joined, more }
      } finally {
        // Some may be released even if the store fails.
        wake()
      }
    },
  )

  app.post(
    '/revocations/cancel',
    {
      config,
      schema: {
        ...common,
        operationId: 'cancelRevocations',
        summary: 'Cancel held revocations, or all that match',
        description:
          'Ends them before they revoke anything more. `matching` also selects queued and running ones; a run stops before its next ' +
          `call to Qlik Cloud. ${ofTenants}`,
        querystring: CancelQuery,
        response: { 200: Cancelled.describe('They are cancelled'), default: problemAnswer },
      },
    },
    async (request) => {
      const { body, query } = request
      if (body.matching) return cancelMatching(request, body.matching, query, options)
      requireNoMatchingQuery(query)
      const { decided, more } = await decideAll(request, body, store.cancel)
      return { cancelled: decided, more }
    },
  )

  async function decideAll(
    request: FastifyRequest,
    selection: Selection,
    decide: RevocationStore['release'],
  ) {
    const origin = originOf(request)
    const query: HeldQuery = {
      ids: selection.ids,
      sender: selection.sender,
      tenants: provenSender(request).tenants ?? undefined,
      limit: DECIDED_AT_ONCE,
    }
    const total = { decided: 0, joined: 0, more: true }
    for (let batch = 0; batch < MAX_BATCHES && total.more; batch += 1) {
      const { revocations, joined, more }: Decided = await decide(query, clock.now(), origin)
      for (const { tenant, user } of revocations) waiters.notify(userKey(tenant, user))
      total.decided += revocations.length
      total.joined += joined
      total.more = more
    }
    return total
  }
}

export default fp(held, { name: 'held', ...PROVEN })
