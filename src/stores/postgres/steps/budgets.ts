/** Budgets that keep their names, and probes after a block. A step of `MIGRATIONS`. */
export const BUDGETS = `
-- The name of a budget: the first name of the tenant at this address, or the address if another tenant had that name
-- before. So a tenant keeps its budget when it is renamed in one replica after the other.
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
    -- Another process may have inserted it first.
    SELECT tenant INTO found FROM curfew.budget_names WHERE origin = of_origin AND client = of_client;
  END IF;
  RETURN coalesce(found, of_origin);
END $$;

-- The process that makes the first call after a block. This statement comes before those on curfew.calls, which is the
-- lock order of exchange_permits: replicas of the previous version are running at the same time.
ALTER TABLE curfew.budgets ADD COLUMN prober uuid;
CREATE INDEX budgets_blocked ON curfew.budgets (blocked_until) WHERE blocked_until IS NOT NULL;

-- Calls are recorded by their end, so that each process can count them with its configured window. Earlier versions
-- recorded the time when they stop counting, based on Qlik's window unless another one was configured.
ALTER TABLE curfew.calls RENAME COLUMN until TO ended_at;
ALTER TABLE curfew.calls ALTER COLUMN ended_at TYPE timestamptz USING ended_at - interval '300 seconds';

-- Like exchange_permits, with two additions. After a block, the first call is a probe: all others wait until its process
-- reports that it has passed. If that process has died or returned the probe, it is granted again. A budget without
-- blocked_until is open. Calls are kept at least for Qlik's window (REMEMBERED_FOR_MS), so that a window that was
-- configured too short can be corrected at any time.
CREATE FUNCTION curfew.exchange_budget(
  of_tenant text, of_client text, of_tier integer, of_holder uuid, call_limit integer, window_ms float8,
  lease_ms float8, held integer, ended integer, ended_ago_ms float8, wanted integer, probe text,
  OUT granted integer, OUT wait_ms float8, OUT remaining integer, OUT is_probe boolean, OUT blocked_ms float8
) LANGUAGE plpgsql AS $$
DECLARE
  now_at timestamptz;
  window_of interval := make_interval(secs => window_ms / 1000);
  -- End times are rounded up to 1/500 of the window, so there are few rows to sum. The error is 0.2 % of the window.
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

  -- Permits of dead processes count as used.
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
  -- If processes hold all permits, or the probe, one of them will end a call soon.
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

-- For replicas of the previous version, which report no probe: an ended call counts as a passed probe. They report a
-- 429 before they report its end.
CREATE OR REPLACE FUNCTION curfew.exchange_permits(
  of_tenant text, of_client text, of_tier integer, of_holder uuid, call_limit integer, window_ms float8,
  lease_ms float8, held integer, ended integer, ended_ago_ms float8, wanted integer,
  OUT granted integer, OUT wait_ms float8, OUT remaining integer
) LANGUAGE sql AS $$
  SELECT answer.granted, answer.wait_ms, answer.remaining
  FROM curfew.exchange_budget(of_tenant, of_client, of_tier, of_holder, call_limit, window_ms, lease_ms, held, ended,
    ended_ago_ms, wanted, CASE WHEN ended > 0 THEN 'passed' WHEN held > 0 THEN 'held' ELSE 'none' END) AS answer;
$$;
`
