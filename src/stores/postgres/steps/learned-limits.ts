/** Limits that were learned from Qlik's refusals. A step of `MIGRATIONS`. */
export const LEARNED_LIMITS = `
-- Calls per window that all clients of a tenant may make together, or calls per minute of each client, if Qlik evaluates
-- each minute.
CREATE TABLE curfew.learned_limits (
  origin text NOT NULL,
  tier integer NOT NULL,
  per text NOT NULL CHECK (per IN ('window', 'minute')),
  calls integer NOT NULL,
  learned_at timestamptz NOT NULL,
  PRIMARY KEY (origin, tier, per)
);
`
