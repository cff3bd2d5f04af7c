/** The entries of a user, sender or revocation in the order of `GET /audit`. Steps of `MIGRATIONS`. */

// Unreleased versions have created other indexes of these names.

export const AUDIT_ORDER = `
-- With the time, so that a page of the entries of one user is read in order, however many there are. \`at + 0\`: for a user
-- with many old entries, the planner would read audit_entries_at from its end, and most of the table.
DROP INDEX IF EXISTS curfew.audit_entries_user, curfew.audit_entries_sender;
CREATE INDEX audit_entries_user ON curfew.audit_entries (user_value, user_kind, (at + 0)) WHERE user_value IS NOT NULL;
CREATE INDEX audit_entries_sender ON curfew.audit_entries (sender, (at + 0)) WHERE sender IS NOT NULL;
`

export const AUDIT_ORDER_OF_REVOCATIONS = `
-- Repeated signals can add any number of entries to one revocation.
DROP INDEX IF EXISTS curfew.audit_entries_revocation;
CREATE INDEX audit_entries_revocation ON curfew.audit_entries (revocation_id, (at + 0)) WHERE revocation_id IS NOT NULL;
`
