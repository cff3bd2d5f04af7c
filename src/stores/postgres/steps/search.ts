import type { ConcurrentIndex } from '../concurrent-indexes.ts'

/** The search for revocations. A step of `MIGRATIONS`. */
export const SEARCH = `
-- The senders of a revocation's signals. Replicas of earlier versions leave them unchanged.
ALTER TABLE curfew.revocations ADD COLUMN sender text, ADD COLUMN other_senders text NOT NULL DEFAULT '[]';
`

/** For the search. Built after the step: with a million rows, that takes seconds, in which replicas of earlier versions write. */
export const SEARCH_INDEXES: readonly ConcurrentIndex[] = [
  { name: 'revocations_sender', definition: '(sender, id)' },
  { name: 'revocations_source', definition: '(source, id)' },
  { name: 'revocations_reason', definition: '(reason, id)' },
  { name: 'revocations_outcome', definition: '(outcome, id) WHERE outcome IS NOT NULL' },
  {
    name: 'revocations_failures',
    definition: `(error_code, tenant) WHERE status = 'failed' AND superseded_by IS NULL`,
  },
  { name: 'revocations_error', definition: '(error_code, id) WHERE error_code IS NOT NULL' },
].map((index) => ({ schema: 'curfew', table: 'revocations', ...index }))
