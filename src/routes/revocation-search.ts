import { z } from 'zod'
import { ERRORS } from '../base/errors.ts'
import { queryTime } from '../http/query-time.ts'
import { optionalUser, UserNames } from '../http/signal-body.ts'
import { BatchId } from '../revocation/batch.ts'
import { nameOf } from '../revocation/origin.ts'
import { OutcomeView, StatusView } from '../revocation/revocation-view.ts'
import { Identifier, Reason } from '../revocation/signal.ts'
import type { RevocationQuery } from '../revocation/store.ts'

/** The query of `GET /revocations`. */
export const RevocationSearch = z.strictObject({
  userId: Identifier.optional().describe('Only revocations that name or resolved to this Qlik user id'),
  subject: Identifier.optional().describe('Only revocations that name this subject of the identity provider'),
  email: UserNames.shape.email.describe('Only revocations that name this e-mail address'),
  status: StatusView.optional().describe('Only revocations in this state'),
  outcome: OutcomeView.optional().describe('Only revocations with this outcome'),
  code: Identifier.refine((code) => code in ERRORS, 'expected an error code')
    .optional()
    .describe('Only revocations whose last error has this code'),
  reason: Reason.optional().describe('Only revocations for this reason'),
  source: Identifier.optional().describe(
    'Only revocations from this source: `logout-hook`, `revoke-all`, `bulk` or the name of a source',
  ),
  key: Identifier.optional().describe(
    'Only revocations whose first signal this API key or webhook secret sent, by its name in the configuration',
  ),
  tenant: Identifier.optional().describe('Only revocations of this tenant'),
  batch: BatchId.optional().describe('Only revocations of this batch'),
  since: queryTime.describe('Only revocations accepted from this time on (ISO 8601)'),
  until: queryTime.describe('Only revocations accepted before this time (ISO 8601)'),
  count: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .default(false)
    .describe('Whether to count all that match'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Page size'),
  cursor: z
    .uuid('expected the nextCursor of the previous page')
    .optional()
    .describe('`nextCursor` of the previous page'),
})
type RevocationSearch = z.infer<typeof RevocationSearch>

export const CountView = z
  .object({
    value: z.number().int().min(0),
    isExact: z
      .boolean()
      .describe('False if there are more revocations than a count reads: `value` is a lower bound'),
  })
  .describe('How many revocations match on all pages; with `count=true`')

/**
 * @param defaultTenant of a batch without a tenant; may throw
 * @throws CURFEW_REQUEST_INVALID if several names are given
 */
export function queryFrom(search: RevocationSearch, defaultTenant: () => string): RevocationQuery {
  const { userId, subject, email, status, outcome, key, batch, since, until, count: _, ...query } = search
  return {
    ...query,
    batch: batch === undefined ? undefined : { tenant: query.tenant ?? defaultTenant(), id: batch },
    ...withStatus(status),
    ...withOutcome(outcome),
    user: optionalUser({ userId, subject, email }),
    senders:
      key === undefined
        ? undefined
        : [nameOf({ kind: 'api-key', name: key }), nameOf({ kind: 'webhook', name: key })],
    since: since === undefined ? undefined : Date.parse(since),
    until: until === undefined ? undefined : Date.parse(until),
  }
}

/** A superseded revocation is stored as failed, with the id of the revocation that supersedes it. */
function withStatus(status: StatusView | undefined): Pick<RevocationQuery, 'status' | 'superseded'> {
  if (status === 'superseded') return { status: 'failed', superseded: true }
  return status === 'failed' ? { status, superseded: false } : { status }
}

/** See `outcomeOf`. */
function withOutcome(outcome: OutcomeView | undefined): Pick<RevocationQuery, 'outcome' | 'byUserId'> {
  if (outcome === 'no-matching-user') return { outcome: 'no-such-user', byUserId: false }
  return outcome === 'no-such-user' ? { outcome, byUserId: true } : { outcome }
}
