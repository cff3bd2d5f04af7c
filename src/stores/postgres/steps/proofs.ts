/** What proves that no token is left. A step of `MIGRATIONS`. */
export const PROOFS = `
-- What proves that no token is left, and when that is looked for.
ALTER TABLE curfew.revocations
  ADD COLUMN undecided integer NOT NULL DEFAULT 0,
  ADD COLUMN resolved text NOT NULL DEFAULT '[]',
  ADD COLUMN proof text,
  ADD COLUMN verification_due_at bigint,
  ADD COLUMN backoff_ms integer,
  ADD COLUMN superseded_by uuid,
  ADD COLUMN signal_time text,
  ADD COLUMN signal_time_of bigint;
-- What has ended before stays as it was verified, or not. What a replica of an earlier version completes from now on is
-- listed again.
ALTER TABLE curfew.revocations ALTER COLUMN verification_due_at SET DEFAULT 0;
UPDATE curfew.revocations SET verification_due_at = 0 WHERE status IN ('queued', 'running');
-- What the claim of confirming listings reads; and the older ones of a user that was confirmed.
CREATE INDEX revocations_unconfirmed ON curfew.revocations (tenant, verification_due_at)
  WHERE status = 'completed' AND verification_due_at IS NOT NULL;
CREATE INDEX revocations_unconfirmed_user ON curfew.revocations (tenant, user_kind, user_value, device_key)
  WHERE status = 'completed' AND verification_due_at IS NOT NULL;

-- The Qlik user ids that names led to: what the listing by user reads.
CREATE TABLE curfew.resolved_users (
  user_id text NOT NULL,
  revocation_id uuid NOT NULL REFERENCES curfew.revocations (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, revocation_id)
);
CREATE INDEX resolved_users_revocation ON curfew.resolved_users (revocation_id);

-- The Qlik users whose tokens a run revokes now: no other run does, whatever name it was given. Only as good as the claim.
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
