/** Sessions by the source whose issuer names them. A step of `MIGRATIONS`. */
export const SESSIONS_OF_SOURCES = `
-- The user of a session, until it expires. A sid is unique per source. \`sessions\` holds sessions that earlier
-- versions recorded without a source, until they expire. Their replicas may still write to it.
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
`
