/** What replicas of earlier versions write is not trusted. A step of `MIGRATIONS`. */
export const EARLIER_VERSIONS = `
-- Replicas of earlier versions may work beside newer ones. They leave columns as they are that they do not know. So that no
-- newer one trusts these columns, what an earlier one writes is marked here: nothing that was proven before holds after it
-- has changed the status, what it completes is listed again, and a signal that it may have joined has an unknown time.
CREATE FUNCTION curfew.distrust_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> OLD.status THEN
    NEW.proof := NULL;
    NEW.undecided := 0;
    NEW.resolved := '[]';
    NEW.verification_due_at := 0;
    NEW.backoff_ms := NULL;
    NEW.superseded_by := NULL;
  END IF;
  -- A signal joins what is queued, but parking is no signal; what was queued joins a run that is put back.
  IF NEW.status = 'queued' AND (OLD.status = 'queued' AND NEW.parked = OLD.parked
      OR OLD.status = 'running' AND EXISTS (SELECT FROM curfew.joined_ids WHERE into_id = NEW.id)) THEN
    NEW.signal_time_of := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER distrust_earlier_version BEFORE UPDATE ON curfew.revocations FOR EACH ROW
  WHEN (coalesce(nullif(current_setting('curfew.version', true), ''), '1')::integer < 2)
  EXECUTE FUNCTION curfew.distrust_earlier_version();
`
