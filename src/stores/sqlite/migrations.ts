/**
 * The schema, as numbered steps. A step is never changed once released; a new one is added.
 * `PRAGMA user_version` holds how many have been applied. Times are ms since the epoch.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE revocations (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    user_kind TEXT NOT NULL,
    user_value TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    urgency INTEGER NOT NULL,
    scope TEXT NOT NULL,
    device_type TEXT,
    status TEXT NOT NULL,
    outcome TEXT,
    revoked INTEGER NOT NULL,
    already_gone INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    fruitless INTEGER NOT NULL,
    error_code TEXT,
    error_detail TEXT,
    occurred_at INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    failing_since INTEGER,
    started_at INTEGER,
    completed_at INTEGER,
    next_attempt_at INTEGER,
    due_at INTEGER NOT NULL,
    device_key TEXT NOT NULL AS (coalesce(device_type, '')) VIRTUAL,
    -- Each ended revocation has a place of its own.
    place TEXT NOT NULL AS (iif(status IN ('queued', 'running'), status, id)) VIRTUAL
  ) STRICT;

  -- At most one queued and one running revocation per tenant, user and device type: what coalescing relies on. The listing by
  -- user reads it, too: users come in no order, so that each such index costs a page written for each signal.
  CREATE UNIQUE INDEX revocations_user ON revocations (user_value, user_kind, tenant, device_key, place);
  -- What the claim reads: by urgency, the oldest first, however long the backlog is.
  CREATE INDEX revocations_due ON revocations (urgency, due_at, id) WHERE status = 'queued';
  -- What the listing and retention read.
  CREATE INDEX revocations_status ON revocations (status, id);
  CREATE INDEX revocations_ended ON revocations (completed_at) WHERE completed_at IS NOT NULL;

  -- The ids of revocations that joined another one; they go when it goes.
  CREATE TABLE joined_ids (
    id TEXT PRIMARY KEY,
    into_id TEXT NOT NULL REFERENCES revocations (id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX joined_ids_into ON joined_ids (into_id);

  -- With row ids, so that the long rows are written one after the other and only the keys in no order.
  CREATE TABLE replays (
    key TEXT PRIMARY KEY,
    fingerprint TEXT,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX replays_at ON replays (at);

  CREATE TABLE permits (
    tenant TEXT NOT NULL,
    client TEXT NOT NULL,
    tier INTEGER NOT NULL,
    at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, client, tier, at)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tier_blocks (
    tenant TEXT NOT NULL,
    client TEXT NOT NULL,
    tier INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (tenant, client, tier)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- What the claim reads: by urgency, then tenant by tenant, of each the oldest first. Neither a long backlog of one
  -- tenant nor many tenants make it slow: one look-up a tenant finds the next that has something due.
  DROP INDEX revocations_due;
  CREATE INDEX revocations_due ON revocations (urgency, tenant, due_at, id) WHERE status = 'queued';
  `,
  `
  -- Whose a session is, until it expires.
  CREATE TABLE sessions (
    tenant TEXT NOT NULL,
    sid TEXT NOT NULL,
    user_kind TEXT NOT NULL,
    user_value TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, sid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_expired ON sessions (expires_at);
  `,
  `
  -- What proves that no token is left, and when that is looked for.
  ALTER TABLE revocations ADD COLUMN undecided INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE revocations ADD COLUMN resolved TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE revocations ADD COLUMN proof TEXT;
  ALTER TABLE revocations ADD COLUMN verification_due_at INTEGER;
  ALTER TABLE revocations ADD COLUMN backoff_ms INTEGER;
  ALTER TABLE revocations ADD COLUMN superseded_by TEXT;
  ALTER TABLE revocations ADD COLUMN signal_time TEXT;
  ALTER TABLE revocations ADD COLUMN signal_time_of INTEGER;
  -- What has ended before stays as it was verified, or not.
  UPDATE revocations SET verification_due_at = 0 WHERE status IN ('queued', 'running');
  -- What the claim of confirming listings reads, as the other claim does; and the older ones of a user that was confirmed.
  CREATE INDEX revocations_unconfirmed ON revocations (tenant, verification_due_at)
    WHERE status = 'completed' AND verification_due_at IS NOT NULL;
  CREATE INDEX revocations_unconfirmed_user ON revocations (user_value, user_kind, tenant, device_key)
    WHERE status = 'completed' AND verification_due_at IS NOT NULL;

  -- The Qlik user ids that names led to: what the listing by user reads.
  CREATE TABLE resolved_users (
    user_id TEXT NOT NULL,
    revocation_id TEXT NOT NULL REFERENCES revocations (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, revocation_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX resolved_users_revocation ON resolved_users (revocation_id);
  `,
  `
  -- Whose a session is, until it expires. A sid belongs to the source whose issuer gave it. \`sessions\` holds what was noted
  -- before, without a source, until that expires.
  CREATE TABLE source_sessions (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    sid TEXT NOT NULL,
    user_kind TEXT NOT NULL,
    user_value TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, source, sid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX source_sessions_expired ON source_sessions (expires_at);
  `,
  `
  -- Under which name a budget is kept in permits and tier_blocks: the one that the tenant at this address had first, or
  -- the address, where another tenant had that name before. So a tenant keeps its budget when it is renamed.
  CREATE TABLE budget_names (
    origin TEXT NOT NULL,
    client TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (origin, client),
    UNIQUE (tenant, client)
  ) STRICT, WITHOUT ROWID;
  `,
]
