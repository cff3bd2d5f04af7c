/** Batches of revocations. A step of `MIGRATIONS`. */
export const BATCHES = `
CREATE TABLE curfew.batch_members (
  tenant text NOT NULL,
  batch text NOT NULL,
  revocation_id uuid NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (tenant, batch, revocation_id)
);
CREATE INDEX batch_members_revocation ON curfew.batch_members (revocation_id);

-- A member that joins another revocation, or is superseded by it, is replaced by it. The argument is the column of the other
-- one. A trigger, because replicas of earlier versions know no batches.
CREATE FUNCTION curfew.replace_batch_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO curfew.batch_members (tenant, batch, revocation_id, at)
    SELECT tenant, batch, (to_jsonb(NEW) ->> TG_ARGV[0])::uuid, at FROM curfew.batch_members
    WHERE revocation_id = NEW.id ORDER BY tenant, batch
    ON CONFLICT DO NOTHING;
  DELETE FROM curfew.batch_members WHERE revocation_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER batch_member_joined AFTER INSERT ON curfew.joined_ids
  FOR EACH ROW EXECUTE FUNCTION curfew.replace_batch_member('into_id');
`

/** A step of its own, because it locks another table: locks of both could be a deadlock with replicas. */
export const BATCHES_OF_REVOCATIONS = `
CREATE TRIGGER batch_member_superseded AFTER UPDATE OF superseded_by ON curfew.revocations
  FOR EACH ROW WHEN (NEW.superseded_by IS NOT NULL AND OLD.superseded_by IS DISTINCT FROM NEW.superseded_by)
  EXECUTE FUNCTION curfew.replace_batch_member('superseded_by');

-- Not a foreign key: a release deletes held revocations and inserts them again, with the same ids. So members are deleted
-- at the end of the transaction.
CREATE FUNCTION curfew.delete_batch_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM curfew.batch_members WHERE revocation_id = OLD.id
    AND NOT EXISTS (SELECT FROM curfew.revocations WHERE id = OLD.id);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER batch_member_deleted AFTER DELETE ON curfew.revocations
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION curfew.delete_batch_members();
`
