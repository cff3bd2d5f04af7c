/** The first schema. A step of `MIGRATIONS`. */
export const BASE = `
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
  -- Identifies the process that runs it. A process that has lost the claim must not report on the run.
  claim uuid,
  -- Queued without a job behind a running revocation of the same user. It gets a job when that one ends.
  parked boolean NOT NULL DEFAULT false
);

-- At most one queued and one running revocation per tenant, user and device type, which joining relies on.
CREATE UNIQUE INDEX revocations_queued ON curfew.revocations (tenant, user_kind, user_value, device_key)
  WHERE status = 'queued';
CREATE UNIQUE INDEX revocations_running ON curfew.revocations (tenant, user_kind, user_value, device_key)
  WHERE status = 'running';
-- For the time of the next attempt.
CREATE INDEX revocations_waiting ON curfew.revocations (next_attempt_at)
  WHERE status = 'queued' AND next_attempt_at IS NOT NULL;
-- For the listing and for retention.
CREATE INDEX revocations_user ON curfew.revocations (user_value, id);
CREATE INDEX revocations_tenant ON curfew.revocations (tenant, id);
CREATE INDEX revocations_failed ON curfew.revocations (id) WHERE status = 'failed';
CREATE INDEX revocations_ended ON curfew.revocations (completed_at) WHERE completed_at IS NOT NULL;

-- The ids of revocations that joined another one. Deleted with it.
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

-- The user of a session, until it expires.
CREATE TABLE curfew.sessions (
  tenant text NOT NULL,
  sid text NOT NULL,
  user_kind text NOT NULL,
  user_value text NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (tenant, sid)
);
CREATE INDEX sessions_expired ON curfew.sessions (expires_at);

-- A budget of a tenant, client and tier. The row is locked while permits are issued.
CREATE TABLE curfew.budgets (
  tenant text NOT NULL,
  client text NOT NULL,
  tier smallint NOT NULL,
  blocked_until timestamptz,
  PRIMARY KEY (tenant, client, tier)
);
-- Calls that have ended, by the time when they stop counting.
CREATE TABLE curfew.calls (
  tenant text NOT NULL,
  client text NOT NULL,
  tier smallint NOT NULL,
  until timestamptz NOT NULL,
  count integer NOT NULL,
  PRIMARY KEY (tenant, client, tier, until)
);
-- Permits that a process holds, for calls in progress or about to start.
CREATE TABLE curfew.permits (
  tenant text NOT NULL,
  client text NOT NULL,
  tier smallint NOT NULL,
  holder uuid NOT NULL,
  count integer NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, client, tier, holder)
);

-- One exchange of a process with its budget: the process reports how many permits it holds and how many of its calls
-- have ended, and receives more. The row of the budget is locked, so exchanges are serialized and no permit is issued
-- twice. One round trip, not synced to disk: a lost window costs at most a 429, and a sync for each call would double
-- the time of a revocation.
CREATE FUNCTION curfew.exchange_permits(
  of_tenant text, of_client text, of_tier integer, of_holder uuid, call_limit integer, window_ms float8,
  lease_ms float8, held integer, ended integer, ended_ago_ms float8, wanted integer,
  OUT granted integer, OUT wait_ms float8, OUT remaining integer
) LANGUAGE plpgsql AS $$
DECLARE
  now_at timestamptz;
  window_of interval := make_interval(secs => window_ms / 1000);
  -- End times are rounded up to 1/500 of the window, so there are few rows to sum. The error is 0.2 % of the window.
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

  -- Permits of dead processes count as used.
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
  -- If processes hold all permits, one of them will end a call soon.
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
`
