/** Limits that were learned from Qlik's refusals. A step of `MIGRATIONS`. */
export const LEARNED_LIMITS = `
-- Calls per window that all clients of a tenant may make together.
CREATE TABLE curfew.learned_limits (
  origin text NOT NULL,
  tier integer NOT NULL,
  calls integer NOT NULL,
  learned_at timestamptz NOT NULL,
  PRIMARY KEY (origin, tier)
);
`
