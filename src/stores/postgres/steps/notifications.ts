/** Notifications of receivers. A step of `MIGRATIONS`. */
export const NOTIFICATIONS = `
-- The receivers that the signals of a revocation name. Replicas of earlier versions leave them unchanged.
ALTER TABLE curfew.revocations ADD COLUMN notify text NOT NULL DEFAULT '[]';

-- A row for each change and receiver, written in the transaction of the change. Erasure deletes the rows of a user.
CREATE TABLE curfew.notifications (
  id uuid PRIMARY KEY,
  receiver text NOT NULL,
  type text NOT NULL,
  at bigint NOT NULL,
  tenant text,
  revocation_id uuid,
  user_kind text,
  user_value text,
  -- JSON, as it is sent.
  data text NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  attempts integer NOT NULL DEFAULT 0,
  -- A claim moves it to the end of its lease.
  due_at bigint,
  give_up_at bigint NOT NULL,
  code text,
  http_status integer,
  attempted_at bigint,
  ended_at bigint
);
CREATE INDEX notifications_pending ON curfew.notifications (receiver, due_at, give_up_at) WHERE status = 'pending';
CREATE INDEX notifications_give_up ON curfew.notifications (give_up_at) WHERE status = 'pending';
CREATE INDEX notifications_failed ON curfew.notifications (receiver, at) WHERE status = 'failed';
CREATE INDEX notifications_ended ON curfew.notifications (status, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX notifications_revocation ON curfew.notifications (revocation_id) WHERE revocation_id IS NOT NULL;
`
