/** The brake on mass revocation. A step of `MIGRATIONS`. */
export const MASS_BRAKE = `
-- Revocations that the brake on mass revocation holds. \`held_by\`: the sender, while it is held. The statuses 'held' and
-- 'cancelled' are written only while no replica of an earlier version is connected: it could not read them.
ALTER TABLE curfew.revocations ADD COLUMN hold text, ADD COLUMN held_by text;
CREATE UNIQUE INDEX revocations_held ON curfew.revocations (tenant, user_kind, user_value, device_key, held_by)
  WHERE status = 'held';
CREATE INDEX revocations_held_by ON curfew.revocations (held_by, id) WHERE status = 'held';

-- The users that senders have named recently, 6 bytes each. A row per transaction, by the clock of the database.
CREATE TABLE curfew.named_users (
  at bigint NOT NULL,
  writer uuid NOT NULL,
  sender text NOT NULL,
  users bytea NOT NULL
);
CREATE INDEX named_users_at ON curfew.named_users (at);
`
