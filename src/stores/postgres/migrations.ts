import pg from 'pg'
import { CurfewError } from '../../errors.ts'
import { asCurfewError, connectionOptions } from './database.ts'
import { JOBS_SCHEMA } from './jobs.ts'

/**
 * The schema, as numbered steps. A step is never changed once released; a new one is added. A release that takes a
 * newer pg-boss adds one, too, if only a comment: it is by this number that older versions are kept out. Times are ms
 * since the epoch; columns are those of SQLite's table, and mean the same.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE curfew.revocations (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    user_kind text NOT NULL,
    user_value text NOT NULL,
    source text NOT NULL,
    reason text NOT NULL,
    urgency smallint NOT NULL,
    scope text NOT NULL,
    device_type text,
    status text NOT NULL,
    outcome text,
    revoked integer NOT NULL,
    already_gone integer NOT NULL,
    kept integer NOT NULL,
    remaining integer NOT NULL,
    verified smallint NOT NULL,
    attempts integer NOT NULL,
    fruitless integer NOT NULL,
    error_code text,
    error_detail text,
    occurred_at bigint NOT NULL,
    accepted_at bigint NOT NULL,
    failing_since bigint,
    started_at bigint,
    completed_at bigint,
    next_attempt_at bigint,
    due_at bigint NOT NULL,
    device_key text NOT NULL GENERATED ALWAYS AS (coalesce(device_type, '')) STORED,
    -- Whose run it is, while it runs: a process that has lost it must not report on it any more.
    claim uuid,
    -- Queued without a job, behind a running one of the same user; the end of that gives it one.
    parked boolean NOT NULL DEFAULT false
  );

  -- At most one queued and one running revocation per tenant, user and device type: what coalescing relies on.
  CREATE UNIQUE INDEX revocations_queued ON curfew.revocations (tenant, user_kind, user_value, device_key)
    WHERE status = 'queued';
  CREATE UNIQUE INDEX revocations_running ON curfew.revocations (tenant, user_kind, user_value, device_key)
    WHERE status = 'running';
  -- When to look for work again.
  CREATE INDEX revocations_waiting ON curfew.revocations (next_attempt_at)
    WHERE status = 'queued' AND next_attempt_at IS NOT NULL;
  -- What the listing and retention read.
  CREATE INDEX revocations_user ON curfew.revocations (user_value, id);
  CREATE INDEX revocations_tenant ON curfew.revocations (tenant, id);
  CREATE INDEX revocations_failed ON curfew.revocations (id) WHERE status = 'failed';
  CREATE INDEX revocations_ended ON curfew.revocations (completed_at) WHERE completed_at IS NOT NULL;

  -- The ids of revocations that joined another one; they go when it goes.
  CREATE TABLE curfew.joined_ids (
    id uuid PRIMARY KEY,
    into_id uuid NOT NULL REFERENCES curfew.revocations (id) ON DELETE CASCADE
  );
  CREATE INDEX joined_ids_into ON curfew.joined_ids (into_id);

  CREATE TABLE curfew.replays (
    key text PRIMARY KEY,
    fingerprint text,
    answer text,
    at bigint NOT NULL
  );
  CREATE INDEX replays_at ON curfew.replays (at);

  -- Whose a session is, until it expires.
  CREATE TABLE curfew.sessions (
    tenant text NOT NULL,
    sid text NOT NULL,
    user_kind text NOT NULL,
    user_value text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant, sid)
  );
  CREATE INDEX sessions_expired ON curfew.sessions (expires_at);

  -- One budget: a tenant, a client and a tier. The row is locked while permits are issued.
  CREATE TABLE curfew.budgets (
    tenant text NOT NULL,
    client text NOT NULL,
    tier smallint NOT NULL,
    blocked_until timestamptz,
    PRIMARY KEY (tenant, client, tier)
  );
  -- Calls that have ended, by when they cease to count.
  CREATE TABLE curfew.calls (
    tenant text NOT NULL,
    client text NOT NULL,
    tier smallint NOT NULL,
    until timestamptz NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (tenant, client, tier, until)
  );
  -- Permits in the hands of a process: for calls that are under way or about to begin.
  CREATE TABLE curfew.permits (
    tenant text NOT NULL,
    client text NOT NULL,
    tier smallint NOT NULL,
    holder uuid NOT NULL,
    count integer NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, client, tier, holder)
  );

  -- One exchange of a process with its budget: it tells how many permits it holds and how many of its calls have
  -- ended, and gets more. The row of the budget is locked, so exchanges come one after the other and none is issued
  -- twice. One round trip; not synced to disk, as a lost window costs a 429 at worst, and a sync for each call would
  -- double the time of a revocation.
  CREATE FUNCTION curfew.exchange_permits(
    of_tenant text, of_client text, of_tier integer, of_holder uuid, call_limit integer, window_ms float8,
    lease_ms float8, held integer, ended integer, ended_ago_ms float8, wanted integer,
    OUT granted integer, OUT wait_ms float8, OUT remaining integer
  ) LANGUAGE plpgsql AS $$
  DECLARE
    now_at timestamptz;
    window_of interval := make_interval(secs => window_ms / 1000);
    -- Ends are counted together in 500 parts of a window, rounded up: few rows to add up, at 0.2 % of the window.
    part_s float8 := window_ms / 1000 / 500;
    blocked timestamptz;
    used integer;
    free_at timestamptz;
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT blocked_until INTO blocked FROM curfew.budgets
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier FOR UPDATE;
    IF NOT FOUND THEN
      INSERT INTO curfew.budgets (tenant, client, tier) VALUES (of_tenant, of_client, of_tier) ON CONFLICT DO NOTHING;
      SELECT blocked_until INTO blocked FROM curfew.budgets
        WHERE tenant = of_tenant AND client = of_client AND tier = of_tier FOR UPDATE;
    END IF;
    now_at := clock_timestamp();

    -- What the dead held counts as used.
    WITH dead AS (
      DELETE FROM curfew.permits
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND holder <> of_holder AND expires_at <= now_at
      RETURNING expires_at, count)
    INSERT INTO curfew.calls AS known
      SELECT of_tenant, of_client, of_tier, expires_at + window_of, sum(count) FROM dead GROUP BY expires_at
      ON CONFLICT (tenant, client, tier, until) DO UPDATE SET count = known.count + excluded.count;
    IF ended > 0 THEN
      INSERT INTO curfew.calls AS known VALUES (of_tenant, of_client, of_tier,
        to_timestamp(ceil(extract(epoch FROM now_at - make_interval(secs => ended_ago_ms / 1000) + window_of)::float8
          / part_s) * part_s), ended)
      ON CONFLICT (tenant, client, tier, until) DO UPDATE SET count = known.count + excluded.count;
    END IF;
    DELETE FROM curfew.calls
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND until <= now_at;

    SELECT held + coalesce(sum(count), 0), min(until) INTO used, free_at FROM curfew.calls
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier;
    SELECT used + coalesce(sum(count), 0) INTO used FROM curfew.permits
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND holder <> of_holder;
    granted := greatest(0, least(wanted, call_limit - used));
    IF blocked > now_at THEN
      granted := 0;
      free_at := blocked;
    END IF;
    remaining := greatest(0, call_limit - used - granted);
    -- Where all room is in the hands of processes, one of them will end a call soon.
    wait_ms := CASE WHEN granted >= wanted THEN 0
      ELSE coalesce(greatest(1, extract(epoch FROM free_at - now_at) * 1000), 100) END;
    IF held + granted > 0 THEN
      INSERT INTO curfew.permits VALUES (of_tenant, of_client, of_tier, of_holder, held + granted,
        now_at + make_interval(secs => lease_ms / 1000))
      ON CONFLICT (tenant, client, tier, holder) DO UPDATE
        SET count = excluded.count, expires_at = excluded.expires_at;
    ELSE
      DELETE FROM curfew.permits
        WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND holder = of_holder;
    END IF;
  END $$;
  `,
  `
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
  `,
  `
  -- Whose a session is, until it expires. A sid belongs to the source whose issuer gave it. \`sessions\` holds what earlier
  -- versions have noted, without a source, until that expires; their replicas may still write to it.
  CREATE TABLE curfew.source_sessions (
    tenant text NOT NULL,
    source text NOT NULL,
    sid text NOT NULL,
    user_kind text NOT NULL,
    user_value text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant, source, sid)
  );
  CREATE INDEX source_sessions_expired ON curfew.source_sessions (expires_at);
  `,
  `
  -- Under which name a budget is kept: the one that the tenant at this address had first, or the address, where another
  -- tenant had that name before. So a tenant keeps its budget when it is renamed, in one replica after the other.
  CREATE TABLE curfew.budget_names (
    origin text NOT NULL,
    client text NOT NULL,
    tenant text NOT NULL,
    PRIMARY KEY (origin, client),
    UNIQUE (tenant, client)
  );

  CREATE FUNCTION curfew.budget_of(of_origin text, of_client text, of_name text) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    found text;
  BEGIN
    SELECT tenant INTO found FROM curfew.budget_names WHERE origin = of_origin AND client = of_client;
    IF found IS NULL THEN
      INSERT INTO curfew.budget_names (origin, client, tenant)
        SELECT of_origin, of_client, CASE WHEN EXISTS (
          SELECT FROM curfew.budget_names WHERE tenant = of_name AND client = of_client) THEN of_origin ELSE of_name END
        ON CONFLICT DO NOTHING;
      -- Another process may have been first.
      SELECT tenant INTO found FROM curfew.budget_names WHERE origin = of_origin AND client = of_client;
    END IF;
    RETURN coalesce(found, of_origin);
  END $$;

  -- Calls are noted by when they ended, so that each process can count them by the window that it is configured with.
  -- Until now it was when they cease to count: by Qlik's window, unless another one was configured.
  ALTER TABLE curfew.calls RENAME COLUMN until TO ended_at;
  ALTER TABLE curfew.calls ALTER COLUMN ended_at TYPE timestamptz USING ended_at - interval '300 seconds';

  -- Who makes the one call that goes first after a block.
  ALTER TABLE curfew.budgets ADD COLUMN prober uuid;
  CREATE INDEX budgets_blocked ON curfew.budgets (blocked_until) WHERE blocked_until IS NOT NULL;

  -- As exchange_permits was, and besides:
  -- After a block one call goes first, the probe; all others wait until its process tells that it has passed. Where that
  -- process does not hold it any more, or has died, it is granted again. A budget without blocked_until is open.
  -- Calls are remembered for Qlik's window at least (REMEMBERED_FOR_MS), so that a window that was too short can be put
  -- right at any time.
  CREATE FUNCTION curfew.exchange_budget(
    of_tenant text, of_client text, of_tier integer, of_holder uuid, call_limit integer, window_ms float8,
    lease_ms float8, held integer, ended integer, ended_ago_ms float8, wanted integer, probe text,
    OUT granted integer, OUT wait_ms float8, OUT remaining integer, OUT is_probe boolean, OUT blocked_ms float8
  ) LANGUAGE plpgsql AS $$
  DECLARE
    now_at timestamptz;
    window_of interval := make_interval(secs => window_ms / 1000);
    -- Ends are counted together in 500 parts of a window, rounded up: few rows to add up, at 0.2 % of the window.
    part_s float8 := window_ms / 1000 / 500;
    known record;
    blocked timestamptz;
    probing uuid;
    used integer;
    free_at timestamptz;
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT blocked_until, prober INTO known FROM curfew.budgets
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier FOR UPDATE;
    IF NOT FOUND THEN
      INSERT INTO curfew.budgets (tenant, client, tier) VALUES (of_tenant, of_client, of_tier) ON CONFLICT DO NOTHING;
      SELECT blocked_until, prober INTO known FROM curfew.budgets
        WHERE tenant = of_tenant AND client = of_client AND tier = of_tier FOR UPDATE;
    END IF;
    blocked := known.blocked_until;
    probing := known.prober;
    now_at := clock_timestamp();

    IF probing = of_holder THEN
      IF probe = 'passed' AND blocked <= now_at THEN
        blocked := NULL;
      END IF;
      IF probe <> 'held' THEN
        probing := NULL;
      END IF;
    ELSIF NOT EXISTS (SELECT FROM curfew.permits WHERE tenant = of_tenant AND client = of_client AND tier = of_tier
        AND holder = probing AND expires_at > now_at) THEN
      probing := NULL;
    END IF;

    -- What the dead held counts as used.
    WITH dead AS (
      DELETE FROM curfew.permits
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND holder <> of_holder AND expires_at <= now_at
      RETURNING expires_at, count)
    INSERT INTO curfew.calls AS known_calls
      SELECT of_tenant, of_client, of_tier, expires_at, sum(count) FROM dead GROUP BY expires_at
      ON CONFLICT (tenant, client, tier, ended_at) DO UPDATE SET count = known_calls.count + excluded.count;
    IF ended > 0 THEN
      INSERT INTO curfew.calls AS known_calls VALUES (of_tenant, of_client, of_tier,
        to_timestamp(ceil(extract(epoch FROM now_at - make_interval(secs => ended_ago_ms / 1000))::float8 / part_s)
          * part_s), ended)
      ON CONFLICT (tenant, client, tier, ended_at) DO UPDATE SET count = known_calls.count + excluded.count;
    END IF;
    DELETE FROM curfew.calls
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier
        AND ended_at <= now_at - greatest(window_of, interval '300 seconds');

    SELECT held + coalesce(sum(count), 0), min(ended_at) + window_of INTO used, free_at FROM curfew.calls
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND ended_at > now_at - window_of;
    SELECT used + coalesce(sum(count), 0) INTO used FROM curfew.permits
      WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND holder <> of_holder;
    granted := greatest(0, least(wanted, call_limit - used));
    is_probe := false;
    IF blocked > now_at THEN
      granted := 0;
      free_at := blocked;
    ELSIF blocked IS NOT NULL AND probing IS NOT NULL THEN
      granted := 0;
      free_at := NULL;
    ELSIF blocked IS NOT NULL AND granted > 0 THEN
      granted := 1;
      is_probe := true;
      probing := of_holder;
      free_at := NULL;
    END IF;
    IF (blocked, probing) IS DISTINCT FROM (known.blocked_until, known.prober) THEN
      UPDATE curfew.budgets SET blocked_until = blocked, prober = probing
        WHERE tenant = of_tenant AND client = of_client AND tier = of_tier;
    END IF;
    blocked_ms := CASE WHEN blocked IS NOT NULL THEN greatest(0, extract(epoch FROM blocked - now_at) * 1000) END;
    remaining := CASE WHEN blocked IS NULL THEN greatest(0, call_limit - used - granted) ELSE 0 END;
    -- Where all room, or the probe, is in the hands of processes, one of them will end a call soon.
    wait_ms := CASE WHEN granted >= wanted THEN 0 WHEN free_at IS NULL THEN 100
      ELSE greatest(1, extract(epoch FROM free_at - now_at) * 1000) END;
    IF held + granted > 0 THEN
      INSERT INTO curfew.permits VALUES (of_tenant, of_client, of_tier, of_holder, held + granted,
        now_at + make_interval(secs => lease_ms / 1000))
      ON CONFLICT (tenant, client, tier, holder) DO UPDATE
        SET count = excluded.count, expires_at = excluded.expires_at;
    ELSE
      DELETE FROM curfew.permits
        WHERE tenant = of_tenant AND client = of_client AND tier = of_tier AND holder = of_holder;
    END IF;
  END $$;

  -- For replicas of the version before, which tell nothing of a probe: an end is taken for a pass. They tell of a 429 before
  -- that.
  CREATE OR REPLACE FUNCTION curfew.exchange_permits(
    of_tenant text, of_client text, of_tier integer, of_holder uuid, call_limit integer, window_ms float8,
    lease_ms float8, held integer, ended integer, ended_ago_ms float8, wanted integer,
    OUT granted integer, OUT wait_ms float8, OUT remaining integer
  ) LANGUAGE sql AS $$
    SELECT answer.granted, answer.wait_ms, answer.remaining
    FROM curfew.exchange_budget(of_tenant, of_client, of_tier, of_holder, call_limit, window_ms, lease_ms, held, ended,
      ended_ago_ms, wanted, CASE WHEN ended > 0 THEN 'passed' WHEN held > 0 THEN 'held' ELSE 'none' END) AS answer;
  $$;
  `,
]

/**
 * The schema of pg-boss that the steps were written for. Where a new release of it brings another, it migrates that by
 * itself, and a step above is needed with it.
 */
export const JOBS_VERSION = 43

/** One process migrates at a time; the others wait here and find it done. Any number will do. */
const MIGRATION_LOCK = 4_283_307_231

/** Others may take a while, and so may a step; a server that has gone silent is not waited for much longer. */
const LONGEST_STEP_MS = 10 * 60_000

/**
 * Brings both schemas up to date, once, however many processes start together: ours, and by `migrateJobs` that of
 * pg-boss.
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function migrate(url: string, migrateJobs: () => Promise<void>): Promise<void> {
  const client = new pg.Client({
    ...connectionOptions(url),
    query_timeout: LONGEST_STEP_MS,
    statement_timeout: LONGEST_STEP_MS,
  })
  // A connection that breaks fails the statement that is under way, or the next one.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await migrateOwn(client)
    await migrateJobs()
  } catch (error) {
    throw asCurfewError(error)
  } finally {
    // The lock goes with the connection.
    await client.end().catch(() => {})
  }
}

async function migrateOwn(client: pg.Client): Promise<void> {
  for (const schema of ['curfew', JOBS_SCHEMA]) {
    // Looked for first: a role without the right to make schemas may own those that were made for it.
    const { rows } = await client.query('SELECT to_regnamespace($1) IS NULL AS missing', [schema])
    if (rows[0].missing) await client.query(`CREATE SCHEMA ${schema}`)
  }
  await client.query('CREATE TABLE IF NOT EXISTS curfew.schema_version (version integer NOT NULL)')
  const found = await client.query('SELECT max(version) AS version FROM curfew.schema_version')
  const applied: number = found.rows[0].version ?? 0
  if (applied > MIGRATIONS.length) {
    throw new CurfewError(
      'CURFEW_STORE_NEWER',
      `The database has schema version ${applied}, this version of Curfew knows ${MIGRATIONS.length}.`,
    )
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < applied) continue
    // Several statements at once are one transaction.
    await client.query(`BEGIN; ${step}; INSERT INTO curfew.schema_version VALUES (${index + 1}); COMMIT;`)
  }
}
