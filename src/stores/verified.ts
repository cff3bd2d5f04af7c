import { BUCKETS_PER_E } from '../revocation/statistics/durations.ts'
import type { VerifiedCount, VerifiedQuery } from '../revocation/store/statistics-store.ts'
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

/** See `StatisticsStore.verified`. */
export async function readVerified(
  { from, to, tenants }: VerifiedQuery,
  rows: Rows,
  dialect: VerifiedDialect,
): Promise<{ counts: VerifiedCount[]; next: number | null }> {
  const { revocations, isIn, list, verifiedAt, beganAt, integer, larger } = dialect
  const [last] = await bound(
    rows,
    dialect,
    (bind) =>
      `SELECT ${verifiedAt} AS at FROM ${revocations}
       WHERE ${IS_VERIFIED} AND ${verifiedAt} >= ${bind(from)} AND ${verifiedAt} < ${bind(to)}
       ORDER BY ${verifiedAt} LIMIT 1 OFFSET ${READ_AT_ONCE}`,
  )
  // At least one ms, so that it goes on.
  const next = last ? Math.max(Number(last.at), from + 1) : null
  const duration = larger(`${verifiedAt} - ${beganAt}`, '1')
  const found = await bound(
    rows,
    dialect,
    (bind) =>
      `SELECT ${integer(`${verifiedAt} / 60000`)} AS minute, ${integer(`ln(${duration}) * ${BUCKETS_PER_E}`)} AS bucket,
         count(*) AS count
       FROM ${revocations}
       WHERE ${IS_VERIFIED} AND ${verifiedAt} >= ${bind(from)} AND ${verifiedAt} < ${bind(next ?? to)}
         ${tenants ? `AND ${isIn('tenant', bind(list(tenants)))}` : ''}
       GROUP BY 1, 2`,
  )
  const counts = found.map(({ minute, bucket, count }) => ({
    minute: Number(minute),
    bucket: Number(bucket),
    count: Number(count),
  }))
  return { counts, next }
}
