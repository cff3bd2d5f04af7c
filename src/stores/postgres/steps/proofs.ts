/** Proofs that no token is left. A step of `MIGRATIONS`. */
export const PROOFS = `
-- The proof that no token is left, and when it is due.
ALTER TABLE curfew.revocations
  ADD COLUMN undecided integer NOT NULL DEFAULT 0,
  ADD COLUMN resolved text NOT NULL DEFAULT '[]',
  ADD COLUMN proof text,
  ADD COLUMN verification_due_at bigint,
  ADD COLUMN backoff_ms integer,
  ADD COLUMN superseded_by uuid,
  ADD COLUMN signal_time text,
  ADD COLUMN signal_time_of bigint;
-- Finished revocations keep their verification result. Revocations that a replica of an earlier version completes after
-- this step are listed again.
ALTER TABLE curfew.revocations ALTER COLUMN verification_due_at SET DEFAULT 0;
UPDATE curfew.revocations SET verification_due_at = 0 WHERE status IN ('queued', 'running');
-- For claiming confirming listings, and for finding older revocations of a confirmed user.
CREATE INDEX revocations_unconfirmed ON curfew.revocations (tenant, verification_due_at)
  WHERE status = 'completed' AND verification_due_at IS NOT NULL;
CREATE INDEX revocations_unconfirmed_user ON curfew.revocations (tenant, user_kind, user_value, device_key)
  WHERE status = 'completed' AND verification_due_at IS NOT NULL;

-- The Qlik user ids that names resolved to, for the listing by user.
CREATE TABLE curfew.resolved_users (
  user_id text NOT NULL,
  revocation_id uuid NOT NULL REFERENCES curfew.revocations (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, revocation_id)
);
CREATE INDEX resolved_users_revocation ON curfew.resolved_users (revocation_id);

-- The Qlik users whose tokens a run is revoking. No other run revokes them, whatever name it was given. Valid only
-- while the claim is valid.
CREATE TABLE curfew.held_users (
  tenant text NOT NULL,
  user_id text NOT NULL,
  revocation_id uuid NOT NULL,
  claim uuid NOT NULL,
  urgency smallint NOT NULL,
  PRIMARY KEY (tenant, user_id)
);
CREATE INDEX held_users_revocation ON curfew.held_users (revocation_id);
`
