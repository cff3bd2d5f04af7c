import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { invalidMember } from '../base/errors.ts'
import { provenSender } from '../http/authenticate.ts'
import { flag } from '../http/flag.ts'
import { changeMatching, type MatchingOptions } from '../revocation/change-matching.ts'
import { Status } from '../revocation/revocation.ts'
import type { Change, RevocationStore } from '../revocation/store.ts'
import { type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'
import { queryFrom, RevocationSearch } from './revocation-search.ts'

/** Fewer than a dry run counts: each is a transaction. */
const MAX_CHANGED = 1_000
const MAX_TRIED = 10_000
export const MAX_IDS = 1_000

const ONE_FILTER = 'expected at least one filter of GET /revocations'
const ONE_NAME = 'expected at most one of userId, subject, email'

/** The filters of `GET /revocations`, as a member of a body. */
export const Matching = RevocationSearch.omit({ count: true, limit: true, cursor: true })
  .extend({
    ids: z
      .array(z.uuid('expected the id of a revocation'))
      .min(1)
      .max(MAX_IDS)
      .optional()
      .describe('Only these revocations'),
  })
  .refine((filters) => Object.values(filters).some((value) => value !== undefined), ONE_FILTER)
  .refine(
    ({ userId, subject, email }) => [userId, subject, email].filter((name) => name !== undefined).length <= 1,
    ONE_NAME,
  )
  .meta({ minProperties: 1 })
  .describe('Revocations that match these filters of `GET /revocations`; at least one is required')

/** The query of requests that change all revocations that match. */
export const MatchingQuery = z.strictObject({
  dryRun: flag.describe('Report what would be changed without changing anything. Only with `matching`'),
  cursor: z
    .uuid('expected the nextCursor of the previous response')
    .optional()
    .describe('`nextCursor` of the previous response. Only with `matching`'),
})
export type MatchingQuery = z.infer<typeof MatchingQuery>

export const force = flag.describe('`true` also cancels the signals of other senders. Only with `matching`')

const count = z.number().int().min(0)

/** What the response says about revocations that match. */
export const MatchingView = z.object({
  dryRun: z.boolean(),
  at: z.iso
    .datetime()
    .describe('When it was received. As `until` of the next request, it excludes what is accepted later'),
  matched: count.describe(
    'How many match and were in a state to be changed. Some may have changed in the meantime',
  ),
  byStatus: z
    .partialRecord(Status, count)
    .describe('Those that were changed, or would be, by their state when they were found'),
  refused: z.record(z.string(), count).describe('How many could not be changed, by error code'),
  ids: z.array(z.string()).describe('The first 100 of those that were changed, or would be'),
  nextCursor: z.uuid().nullable().describe('Repeat the request with this `cursor` until it is null'),
})

interface Selected {
  matching: z.infer<typeof Matching>
  change: Change
  query: MatchingQuery
}

/** Changes revocations that match, of the tenants of the caller; or tries what would happen. */
export async function changeForCaller(
  request: FastifyRequest,
  { matching, change, query: { dryRun, cursor } }: Selected,
  {
    attempt,
    apply,
    tenants,
    ...options
  }: {
    store: Pick<RevocationStore, 'list'>
    tenants: TenantNames
    clock: Pick<Clock, 'now' | 'monotonic'>
    /** For a dry run. Throws if it would be refused. */
    attempt: (...of: Parameters<MatchingOptions['change']>) => Promise<void> | void
    apply: MatchingOptions['change']
  },
) {
  const at = new Date(options.clock.now()).toISOString()
  const sender = provenSender(request)
  const { ids, ...wanted } = matching
  const search = { ...wanted, count: false, limit: 1, cursor }
  const { limit: _, ...filters } = queryFrom(search, () => tenantFor(undefined, sender, tenants))
  const { changed, ...result } = await changeMatching(
    { ...filters, ids, change, tenants: sender.tenants ?? undefined },
    {
      ...options,
      limit: dryRun ? MAX_TRIED : MAX_CHANGED,
      change: dryRun
        ? async (one) => {
            await attempt(one)
            return true
          }
        : apply,
    },
  )
  return { changed, more: result.nextCursor !== null, ...result, dryRun, at }
}

/** @throws CURFEW_REQUEST_INVALID if a parameter is given that applies only with `matching` */
export function requireNoMatchingQuery({
  dryRun,
  cursor,
  force = false,
}: MatchingQuery & { force?: boolean }) {
  for (const [name, isGiven] of Object.entries({ dryRun, cursor: cursor !== undefined, force }))
    if (isGiven) throw invalidMember(name, 'expected only with `matching`')
}
