/** The search for revocations. A step of `MIGRATIONS`. */
export const SEARCH = `
-- The senders of a revocation's signals. Replicas of earlier versions leave them unchanged.
ALTER TABLE curfew.revocations ADD COLUMN sender text, ADD COLUMN other_senders text NOT NULL DEFAULT '[]';
CREATE INDEX revocations_sender ON curfew.revocations (sender, id);
CREATE INDEX revocations_source ON curfew.revocations (source, id);
CREATE INDEX revocations_reason ON curfew.revocations (reason, id);
CREATE INDEX revocations_outcome ON curfew.revocations (outcome, id) WHERE outcome IS NOT NULL;
CREATE INDEX revocations_error ON curfew.revocations (error_code, id) WHERE error_code IS NOT NULL;
`
