/**
 * The schema as numbered steps. The statements of a released step never change; a change is a new step.
 * `PRAGMA user_version` is the number of applied steps. Times are in ms since the epoch.
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
    -- Unique for each finished revocation.
    place TEXT NOT NULL AS (iif(status IN ('queued', 'running'), status, id)) VIRTUAL
  ) STRICT;

  -- At most one queued and one running revocation per tenant, user and device type, which joining relies on. The
  -- listing by user uses this index, too: users arrive in random order, so a separate index would cost a page write for
  -- each signal.
  CREATE UNIQUE INDEX revocations_user ON revocations (user_value, user_kind, tenant, device_key, place);
  -- For claims: by urgency, oldest first, independent of the backlog's length.
  CREATE INDEX revocations_due ON revocations (urgency, due_at, id) WHERE status = 'queued';
  -- For the listing and for retention.
  CREATE INDEX revocations_status ON revocations (status, id);
  CREATE INDEX revocations_ended ON revocations (completed_at) WHERE completed_at IS NOT NULL;

  -- The ids of revocations that joined another one. Deleted with it.
  CREATE TABLE joined_ids (
    id TEXT PRIMARY KEY,
    into_id TEXT NOT NULL REFERENCES revocations (id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX joined_ids_into ON joined_ids (into_id);

  -- With row ids, so that the long rows are written sequentially and only the keys in random order.
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
  -- For claims: by urgency, then by tenant, oldest first. Neither a long backlog of one tenant nor many tenants make it
  -- slow: one lookup per tenant finds the next tenant with something due.
  DROP INDEX revocations_due;
  CREATE INDEX revocations_due ON revocations (urgency, tenant, due_at, id) WHERE status = 'queued';
  `,
  `
  -- The user of a session, until it expires.
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
  -- The proof that no token is left, and when it is due.
  ALTER TABLE revocations ADD COLUMN undecided INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE revocations ADD COLUMN resolved TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE revocations ADD COLUMN proof TEXT;
  ALTER TABLE revocations ADD COLUMN verification_due_at INTEGER;
  ALTER TABLE revocations ADD COLUMN backoff_ms INTEGER;
  ALTER TABLE revocations ADD COLUMN superseded_by TEXT;
  ALTER TABLE revocations ADD COLUMN signal_time TEXT;
  ALTER TABLE revocations ADD COLUMN signal_time_of INTEGER;
  -- Finished revocations keep their verification result.
  UPDATE revocations SET verification_due_at = 0 WHERE status IN ('queued', 'running');
  -- For claiming confirming listings, and for finding older revocations of a confirmed user.
  CREATE INDEX revocations_unconfirmed ON revocations (tenant, verification_due_at)
    WHERE status = 'completed' AND verification_due_at IS NOT NULL;
  CREATE INDEX revocations_unconfirmed_user ON revocations (user_value, user_kind, tenant, device_key)
    WHERE status = 'completed' AND verification_due_at IS NOT NULL;

  -- The Qlik user ids that names resolved to, for the listing by user.
  CREATE TABLE resolved_users (
    user_id TEXT NOT NULL,
    revocation_id TEXT NOT NULL REFERENCES revocations (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, revocation_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX resolved_users_revocation ON resolved_users (revocation_id);
  `,
  `
  -- The user of a session, until it expires. A sid is unique per source. \`sessions\` holds sessions that earlier
  -- versions recorded without a source, until they expire.
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
  -- The name of a budget in permits and tier_blocks: the first name of the tenant at this address, or the address if
  -- another tenant had that name before. So a tenant keeps its budget when it is renamed.
  CREATE TABLE budget_names (
    origin TEXT NOT NULL,
    client TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (origin, client),
    UNIQUE (tenant, client)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The number of revocations that have not ended. Maintained, because counting 60,000 of them took 160 ms of the event loop.
  CREATE TABLE backlog (
    tenant TEXT NOT NULL,
    status TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, status)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO backlog
    SELECT tenant, status, count(*) FROM revocations WHERE status NOT IN ('completed', 'failed') GROUP BY tenant, status;

  CREATE TRIGGER backlog_inserted AFTER INSERT ON revocations WHEN NEW.status NOT IN ('completed', 'failed') BEGIN
    INSERT INTO backlog VALUES (NEW.tenant, NEW.status, 1)
      ON CONFLICT (tenant, status) DO UPDATE SET count = count + 1;
  END;
  -- An ended status has no row to decrease.
  CREATE TRIGGER backlog_deleted AFTER DELETE ON revocations BEGIN
    UPDATE backlog SET count = count - 1 WHERE tenant = OLD.tenant AND status = OLD.status;
  END;
  CREATE TRIGGER backlog_updated AFTER UPDATE OF status ON revocations WHEN OLD.status <> NEW.status BEGIN
    UPDATE backlog SET count = count - 1 WHERE tenant = OLD.tenant AND status = OLD.status;
    INSERT INTO backlog SELECT NEW.tenant, NEW.status, 1 WHERE NEW.status NOT IN ('completed', 'failed')
      ON CONFLICT (tenant, status) DO UPDATE SET count = count + 1;
  END;
  `,
  `
  -- The audit trail. The primary key is the order of the export; the indexes, here and in later steps, serve the filters
  -- of GET /audit and erasure.
  CREATE TABLE audit_entries (
    writer TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    sender TEXT,
    tenant TEXT,
    revocation_id TEXT,
    user_kind TEXT,
    user_value TEXT,
    -- Canonical JSON, as it was hashed.
    entry TEXT NOT NULL,
    -- The personal data of the entry, as it was hashed. Erasure sets it to NULL.
    private TEXT,
    hash TEXT NOT NULL,
    PRIMARY KEY (writer, sequence)
  ) STRICT;
  CREATE INDEX audit_entries_at ON audit_entries (at);
  CREATE INDEX audit_entries_sender ON audit_entries (sender, at) WHERE sender IS NOT NULL;

  -- Where each chain ends. \`referenced\`: the last sequence that another chain lists. \`purged\`: the last deleted one.
  CREATE TABLE audit_chains (
    writer TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    referenced INTEGER NOT NULL DEFAULT 0,
    referenced_at INTEGER,
    purged INTEGER NOT NULL DEFAULT 0,
    purged_hash TEXT
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Revocations that the brake on mass revocation holds. \`held_by\`: the sender, while it is held.
  ALTER TABLE revocations ADD COLUMN hold TEXT;
  ALTER TABLE revocations ADD COLUMN held_by TEXT;
  CREATE INDEX revocations_held ON revocations (held_by, id) WHERE status = 'held';

  -- The users that senders have named recently, 6 bytes each. A row per transaction: rows in the order of users would cost a
  -- page write for each signal.
  CREATE TABLE named_users (
    at INTEGER NOT NULL,
    sender TEXT NOT NULL,
    users BLOB NOT NULL
  ) STRICT;
  CREATE INDEX named_users_at ON named_users (at);

  -- The same triggers, with the status 'cancelled'. Without IN: for more than two values, SQLite builds an index for each
  -- row, which took 15 µs.
  DROP TRIGGER backlog_inserted;
  DROP TRIGGER backlog_updated;
  CREATE TRIGGER backlog_inserted AFTER INSERT ON revocations
  WHEN NEW.status <> 'completed' AND NEW.status <> 'failed' AND NEW.status <> 'cancelled' BEGIN
    INSERT INTO backlog VALUES (NEW.tenant, NEW.status, 1)
      ON CONFLICT (tenant, status) DO UPDATE SET count = count + 1;
  END;
  CREATE TRIGGER backlog_updated AFTER UPDATE OF status ON revocations WHEN OLD.status <> NEW.status BEGIN
    UPDATE backlog SET count = count - 1 WHERE tenant = OLD.tenant AND status = OLD.status;
    INSERT INTO backlog SELECT NEW.tenant, NEW.status, 1
      WHERE NEW.status <> 'completed' AND NEW.status <> 'failed' AND NEW.status <> 'cancelled'
      ON CONFLICT (tenant, status) DO UPDATE SET count = count + 1;
  END;
  `,
  `
  -- The number of tokens, a hint for the order of claims. The index costs nothing before a size is known.
  ALTER TABLE revocations ADD COLUMN size INTEGER;
  CREATE INDEX revocations_sized ON revocations (urgency, tenant, size, due_at, id)
    WHERE status = 'queued' AND size IS NOT NULL;
  `,
  `
  -- Limits that were learned from Qlik's refusals: calls per window that all clients of a tenant may make together, or
  -- calls per minute of each client, if Qlik evaluates each minute.
  CREATE TABLE learned_limits (
    origin TEXT NOT NULL,
    tier INTEGER NOT NULL,
    per TEXT NOT NULL CHECK (per IN ('window', 'minute')),
    calls INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (origin, tier, per)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Nothing: its index was replaced before a release.
  `,
  `
  -- The index by user in parts of 1,024 entries. Users arrive in random order, and a page that changes for one accept alone
  -- costs 10 µs and 4 kB of the WAL. New entries share the few pages of the last part. A search looks into each part, which
  -- takes 5 ms for a million entries. With the time, so that a page of the entries of one user is read in order, however
  -- many there are. Unreleased versions have created another one.
  DROP INDEX IF EXISTS audit_entries_user;
  CREATE INDEX audit_entries_user ON audit_entries (sequence >> 10, user_value, user_kind, at)
    WHERE user_value IS NOT NULL;
  `,
  `
  -- With the time: repeated signals can add any number of entries to one revocation, and sorting 150,000 took 320 ms of the
  -- event loop. Unreleased versions have created another one.
  DROP INDEX IF EXISTS audit_entries_revocation;
  CREATE INDEX audit_entries_revocation ON audit_entries (revocation_id, at) WHERE revocation_id IS NOT NULL;
  `,
  `
  -- The senders of a revocation's signals.
  ALTER TABLE revocations ADD COLUMN sender TEXT;
  ALTER TABLE revocations ADD COLUMN other_senders TEXT NOT NULL DEFAULT '[]';
  -- For the search. Only ended revocations, so that accepts write no further pages. The others are found by status.
  CREATE INDEX revocations_ended_sender ON revocations (sender, id) WHERE completed_at IS NOT NULL;
  CREATE INDEX revocations_ended_source ON revocations (source, id) WHERE completed_at IS NOT NULL;
  CREATE INDEX revocations_ended_reason ON revocations (reason, id) WHERE completed_at IS NOT NULL;
  CREATE INDEX revocations_ended_tenant ON revocations (tenant, id) WHERE completed_at IS NOT NULL;
  CREATE INDEX revocations_outcome ON revocations (outcome, id) WHERE outcome IS NOT NULL;
  CREATE INDEX revocations_error ON revocations (error_code, id) WHERE error_code IS NOT NULL;
  `,
  `
  -- The revocations of batches. Ids sort by time, so a page of members is read in order.
  CREATE TABLE batch_members (
    tenant TEXT NOT NULL,
    batch TEXT NOT NULL,
    revocation_id TEXT NOT NULL REFERENCES revocations (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, batch, revocation_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX batch_members_revocation ON batch_members (revocation_id);
  `,
  `
  -- The trace to which the runs belong.
  ALTER TABLE revocations ADD COLUMN traceparent TEXT;
  `,
  `
  -- For the counts of failed revocations by error. It has all that they read, and accepts do not write it.
  CREATE INDEX revocations_failures ON revocations (error_code, tenant, status, superseded_by)
    WHERE status = 'failed' AND superseded_by IS NULL;
  `,
  `
  -- For statistics: when a revocation was verified. Accepts and attempts do not write it.
  CREATE INDEX revocations_verified ON revocations (proof ->> '$.at')
    WHERE verified = 1 AND status = 'completed' AND verification_due_at IS NULL;

  -- For the rejections of the last day.
  CREATE INDEX audit_entries_rejected ON audit_entries (at) WHERE event = 'request-rejected';
  `,
  `
  -- The receivers that the signals of a revocation name.
  ALTER TABLE revocations ADD COLUMN notify TEXT NOT NULL DEFAULT '[]';

  -- A row for each change and receiver, written in the transaction of the change. Erasure deletes the rows of a user.
  CREATE TABLE notifications (
    id TEXT PRIMARY KEY,
    receiver TEXT NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    tenant TEXT,
    revocation_id TEXT,
    user_kind TEXT,
    user_value TEXT,
    -- JSON, as it is sent.
    data TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    -- A claim moves it to the end of its lease.
    due_at INTEGER,
    give_up_at INTEGER NOT NULL,
    code TEXT,
    http_status INTEGER,
    attempted_at INTEGER,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX notifications_pending ON notifications (receiver, due_at, give_up_at) WHERE status = 'pending';
  CREATE INDEX notifications_give_up ON notifications (give_up_at) WHERE status = 'pending';
  CREATE INDEX notifications_failed ON notifications (receiver, at) WHERE status = 'failed';
  CREATE INDEX notifications_ended ON notifications (status, ended_at) WHERE ended_at IS NOT NULL;
  CREATE INDEX notifications_revocation ON notifications (revocation_id) WHERE revocation_id IS NOT NULL;
  `,
]
