/** Marks rows that replicas of earlier versions write. A step of `MIGRATIONS`. */
export const EARLIER_VERSIONS = `
-- Replicas of earlier versions may run alongside newer ones. They do not update columns that they do not know. This
-- trigger resets these columns, so that newer replicas do not rely on them: if an earlier version changes the status,
-- earlier proofs are discarded; what it completes is listed again; and if a signal may have joined, the signal time is
-- unknown.
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
  -- A signal may have joined a queued row, unless the update only parked it. A queued row joins a run that is put back.
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
