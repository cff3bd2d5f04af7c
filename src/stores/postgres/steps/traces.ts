/** Traces of revocations. A step of `MIGRATIONS`. */
export const TRACES = `
-- The trace to which the runs belong. Replicas of earlier versions leave it unchanged.
ALTER TABLE curfew.revocations ADD COLUMN traceparent text;
`
