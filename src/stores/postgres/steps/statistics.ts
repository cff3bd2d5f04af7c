import type { ConcurrentIndex } from '../concurrent-indexes.ts'

/** When the listing that proves a revocation began. */
export const VERIFIED_AT = `((proof::json ->> 'at')::bigint)`

/** For statistics and for the rejections of the last day. Accepts and attempts do not write them. */
export const STATISTICS_INDEXES: readonly ConcurrentIndex[] = [
  {
    table: 'revocations',
    name: 'revocations_verified',
    definition: `(${VERIFIED_AT}) WHERE verified = 1 AND status = 'completed' AND verification_due_at IS NULL`,
  },
  {
    table: 'audit_entries',
    name: 'audit_entries_rejected',
    definition: `(at) WHERE event = 'request-rejected'`,
  },
].map((index) => ({ schema: 'curfew', ...index }))
