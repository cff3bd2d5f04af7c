import type { ConcurrentIndex } from '../concurrent-indexes.ts'

/** When a revocation was verified; null if it is not. */
export const VERIFIED_AT = `(CASE WHEN verified = 1 AND status = 'completed' AND verification_due_at IS NULL
  THEN (proof::jsonb ->> 'at')::bigint END)`

/** For statistics and for the rejections of the last day. Accepts and attempts do not write them. */
export const STATISTICS_INDEXES: readonly ConcurrentIndex[] = [
  {
    table: 'revocations',
    name: 'revocations_verified',
    definition: `(${VERIFIED_AT}) WHERE ${VERIFIED_AT} IS NOT NULL`,
  },
  {
    table: 'audit_entries',
    name: 'audit_entries_rejected',
    definition: `(at) WHERE event = 'request-rejected'`,
  },
].map((index) => ({ schema: 'curfew', ...index }))
