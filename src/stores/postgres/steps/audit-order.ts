/** The entries of a user or sender in the order of `GET /audit`. A step of `MIGRATIONS`. */
export const AUDIT_ORDER = `
-- With the time, so that a page of the entries of one user is read in order, however many there are. \`at + 0\`: for a user
-- with many old entries, the planner would read audit_entries_at from its end, and most of the table.
DROP INDEX curfew.audit_entries_user, curfew.audit_entries_sender;
CREATE INDEX audit_entries_user ON curfew.audit_entries (user_value, user_kind, (at + 0)) WHERE user_value IS NOT NULL;
CREATE INDEX audit_entries_sender ON curfew.audit_entries (sender, (at + 0)) WHERE sender IS NOT NULL;
`
