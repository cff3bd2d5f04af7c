import { z } from 'zod'
import type { Revocation } from '../../revocation/revocation.ts'
import { urgencyOf } from '../../revocation/schedule.ts'
import type { Reason } from '../../revocation/signal.ts'
import type { Sized, Unsized, UnsizedQuery } from '../../revocation/store/size-store.ts'
import { toUnsized, UNSIZED_COLUMNS } from '../rows.ts'
import { NOT_RUNNING, type Prepared } from './prepared.ts'

const SIZED = (urgency: string) => `status = 'queued' AND size IS NOT NULL AND urgency = ${urgency}`

/** The tenants with queued revocations of known size, found by one lookup per tenant in the index `revocations_sized`. */
const SIZED_TENANTS = `sized_tenants (name) AS (
  SELECT min(tenant) FROM revocations WHERE ${SIZED('?1')}
  UNION ALL
  SELECT (SELECT min(tenant) FROM revocations WHERE ${SIZED('?1')} AND tenant > name)
  FROM sized_tenants WHERE name IS NOT NULL
)`

const BY_SIZE = (columns: string) =>
  `SELECT ${columns} FROM revocations AS waiting
   WHERE ${SIZED('?')} AND tenant = ? AND due_at <= ? AND ${NOT_RUNNING('waiting')}
   ORDER BY size, due_at, id LIMIT ?`

/** The SQL statements for sizes. They run in the caller's transaction. */
export function sizedStatements({ prepare, rows }: Prepared) {
  return {
    tenants: (reason: Reason): string[] =>
      prepare(`WITH RECURSIVE ${SIZED_TENANTS} SELECT name FROM sized_tenants WHERE name IS NOT NULL`)
        .all(urgencyOf(reason))
        .map(({ name }) => String(name)),

    /** The sizes of a tenant's claimable revocations, the fewest tokens first. */
    sizes: (reason: Reason, tenant: string, now: number, limit: number): number[] =>
      prepare(BY_SIZE('size'))
        .all(urgencyOf(reason), tenant, now, limit)
        .map(({ size }) => z.number().parse(size)),

    /** These revocations, in the same order. */
    due: (reason: Reason, tenant: string, now: number, limit: number): Revocation[] =>
      rows(BY_SIZE('*'), urgencyOf(reason), tenant, now, limit),

    unsized: ({ tenant, reason, after, limit }: UnsizedQuery): Unsized[] =>
      prepare(
        `SELECT ${UNSIZED_COLUMNS} FROM revocations
         WHERE status = 'queued' AND urgency = ? AND tenant = ? AND (due_at, id) > (?, ?) AND size IS NULL
         ORDER BY due_at, id LIMIT ?`,
      )
        .all(urgencyOf(reason), tenant, after?.dueAt ?? Number.MIN_SAFE_INTEGER, after?.id ?? '', limit)
        .map(toUnsized),

    note: ({ id, size }: Sized): number =>
      Number(
        prepare(`UPDATE revocations SET size = ? WHERE id = ? AND status = 'queued'`).run(size, id).changes,
      ),
  }
}
