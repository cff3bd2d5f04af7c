/** The audit trail. A step of `MIGRATIONS`. Replicas of earlier versions do not use these tables. */
export const AUDIT = `
-- The primary key is the order of the export; the indexes, here and in later steps, serve the filters of GET /audit and
-- erasure.
CREATE TABLE curfew.audit_entries (
  writer uuid NOT NULL,
  sequence bigint NOT NULL,
  at bigint NOT NULL,
  event text NOT NULL,
  sender text,
  tenant text,
  revocation_id uuid,
  user_kind text,
  user_value text,
  -- Canonical JSON, as it was hashed: not of the type json, which would accept other forms.
  entry text NOT NULL,
  -- The personal data of the entry, as it was hashed. Erasure sets it to NULL.
  private text,
  hash text NOT NULL,
  PRIMARY KEY (writer, sequence)
);
CREATE INDEX audit_entries_at ON curfew.audit_entries (at);

-- Where each chain ends. \`referenced\`: the last sequence that another chain lists. \`purged\`: the last deleted one. Each
-- row is updated with every entry of its chain, so pages keep room for new versions.
CREATE TABLE curfew.audit_chains (
  writer uuid PRIMARY KEY,
  sequence bigint NOT NULL,
  hash text NOT NULL,
  referenced bigint NOT NULL DEFAULT 0,
  referenced_at bigint,
  purged bigint NOT NULL DEFAULT 0,
  purged_hash text
) WITH (fillfactor = 20);
`
