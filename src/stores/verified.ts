import { BUCKETS_PER_E } from '../revocation/statistics/durations.ts'
import type { StatisticsStore, VerifiedQuery } from '../revocation/store/statistics-store.ts'
import type { AuditDialect, Rows } from './audit-dialect.ts'
import { bound } from './windows.ts'

/** Rows that a statement reads: a few ms of SQLite's event loop. */
const READ_AT_ONCE = 2_500
/** As in the index `revocations_verified`. */
const IS_VERIFIED = `verified = 1 AND status = 'completed' AND verification_due_at IS NULL`

export interface VerifiedDialect extends Pick<AuditDialect, 'parameter' | 'isIn' | 'list'> {
  /** Revocations in `FROM`. SQLite would choose the index by status. */
  revocations: string
  /** When a revocation was verified: the expression in the index `revocations_verified`. */
  verifiedAt: string
  /** When Curfew could begin: the time of a release, or of the first signal. */
  beganAt: string
  /** The integer part of a number that is not negative. */
  integer(expression: string): string
  /** The larger one of two numbers. */
  larger(one: string, other: string): string
}

type Part = Awaited<ReturnType<StatisticsStore['verified']>>

/** See `StatisticsStore.verified`. */
export async function readVerified(
  query: VerifiedQuery,
  rows: Rows,
  dialect: VerifiedDialect,
): Promise<Part> {
  const part = await readPart(query, READ_AT_ONCE, rows, dialect)
  if (part.next !== query.from) return part
  // More than a part within one ms: read all of them, so that it goes on.
  const to = query.from + 1
  const { counts } = await readPart({ ...query, to }, Number.MAX_SAFE_INTEGER, rows, dialect)
  return { counts, next: to }
}

/** One statement, which computes each time once: PostgreSQL needs most of its time for the JSON. */
async function readPart(
  { from, to, tenants }: VerifiedQuery,
  limit: number,
  rows: Rows,
  dialect: VerifiedDialect,
): Promise<Part> {
  const { revocations, isIn, list, verifiedAt, beganAt, integer, larger } = dialect
  const duration = larger('at - began', '1')
  const found = await bound(
    rows,
    dialect,
    (bind) =>
      `WITH part AS MATERIALIZED (
         SELECT ${verifiedAt} AS at, ${beganAt} AS began, tenant FROM ${revocations}
         WHERE ${IS_VERIFIED} AND ${verifiedAt} >= ${bind(from)} AND ${verifiedAt} < ${bind(to)}
         ORDER BY ${verifiedAt} LIMIT ${limit} + 1
       ), rest AS (SELECT max(at) AS at FROM part HAVING count(*) > ${limit})
       SELECT ${integer('at / 60000')} AS minute, ${integer(`ln(${duration}) * ${BUCKETS_PER_E}`)} AS bucket, count(*) AS count
       FROM part
       WHERE at < coalesce((SELECT at FROM rest), ${bind(to)})
         ${tenants ? `AND ${isIn('tenant', bind(list(tenants)))}` : ''}
       GROUP BY 1, 2
       UNION ALL SELECT at, NULL, NULL FROM rest ORDER BY 1, 2`,
  )
  const counts = found
    .filter(({ bucket }) => bucket !== null)
    .map(({ minute, bucket, count }) => ({
      minute: Number(minute),
      bucket: Number(bucket),
      count: Number(count),
    }))
  const rest = found.find(({ bucket }) => bucket === null)
  return { counts, next: rest ? Number(rest.minute) : null }
}
