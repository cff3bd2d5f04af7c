/** The number of tokens of a user, for the order of claims. A step of `MIGRATIONS`. */
export const SIZES = `
-- A hint for the order of claims. Replicas of earlier versions leave it unchanged, and claim in the order of age.
ALTER TABLE curfew.revocations ADD COLUMN size integer;
CREATE INDEX revocations_sized ON curfew.revocations (urgency, tenant, size, due_at)
  WHERE status = 'queued' AND NOT parked AND size IS NOT NULL;
CREATE INDEX revocations_unsized ON curfew.revocations (urgency, tenant, due_at, id)
  WHERE status = 'queued' AND size IS NULL;

-- The process that counts the tokens of a tenant's users.
CREATE TABLE curfew.surveys (
  tenant text PRIMARY KEY,
  holder uuid NOT NULL,
  until timestamptz NOT NULL
);
`
