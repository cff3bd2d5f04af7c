import type { Room } from '../../revocation/schedule.ts'
import type { ConcurrentIndex } from './concurrent-indexes.ts'
import type { Query } from './database.ts'

export const JOBS_SCHEMA = 'curfew_jobs'
export const QUEUE = 'revocations'

/** A fetched job. */
export interface Job {
  /** The id of its revocation. */
  id: string
  /** How often it was lost before. */
  retryCount: number
}

/** The columns of pg-boss's table of jobs that Curfew's statements use; a test compares them with pg-boss's schema. */
export const JOB_COLUMNS = {
  id: 'uuid',
  name: 'text',
  priority: 'integer',
  state: 'job_state',
  blocked: 'boolean',
  group_id: 'text',
  created_on: 'timestamp with time zone',
  start_after: 'timestamp with time zone',
  started_on: 'timestamp with time zone',
  heartbeat_on: 'timestamp with time zone',
  retry_count: 'integer',
} as const

/** Whether a job waits, as in pg-boss's own fetch. */
const WAITING = (job: string) => `${job}.name = '${QUEUE}' AND ${job}.state < 'active' AND NOT ${job}.blocked`

/** Whether a job can be fetched now, as in pg-boss's own fetch. */
export const FETCHABLE = (job: string) => `${WAITING(job)} AND ${job}.start_after <= ${JOBS_SCHEMA}.job_now()`

/** What pg-boss's own fetch writes. `j` is the job. */
export const ACTIVATION = `state = 'active', started_on = ${JOBS_SCHEMA}.job_now(), heartbeat_on = ${JOBS_SCHEMA}.job_now(),
  retry_count = CASE WHEN j.started_on IS NOT NULL THEN j.retry_count + 1 ELSE j.retry_count END`

/** On pg-boss's table: see `prepareTables`. */
export const JOB_INDEXES: readonly ConcurrentIndex[] = [
  /**
   * For the fetch by tenant. The negated priority keeps the planner from taking pg-boss's index by age instead, which has
   * the same order and looks as selective as long as the statistics know one tenant only.
   */
  {
    name: 'job_by_tenant',
    definition: `((-priority), group_id, created_on, start_after)
      WHERE name = '${QUEUE}' AND state < 'active' AND NOT blocked`,
  },
  /** For pg-boss's search for lost jobs, twice a second, which otherwise reads all jobs. */
  { name: 'job_active', definition: `(name) WHERE state = 'active'` },
].map((index) => ({ schema: JOBS_SCHEMA, table: 'job_common', ...index }))

export interface FetchRequest {
  priority: number
  /** The maximum of jobs in this fetch, and per group across all processes. */
  room: Pick<Room, 'total' | 'perTenant'>
  /** The maximum of groups that have less room, in this fetch. */
  exceptions: ReadonlyMap<string, number>
  /** The group after which the search begins. */
  after: string
}

/**
 * Fetches due jobs of one priority by our own statement: group by group, the oldest of each that has room. pg-boss's
 * fetch reads all jobs of groups without room; see decision 0013 for measurements. Jobs without a group are left: see
 * `regroupLost`. Jobs that another process is fetching are skipped.
 * @returns the jobs, and the group at which the search ended
 */
export async function fetchByGroup(
  query: Query,
  { priority, room: { total, perTenant }, exceptions, after }: FetchRequest,
): Promise<{ jobs: Job[]; last: string | null }> {
  // Visits the groups after $2, then those up to it. The recursion is evaluated only until the limit is reached. An array
  // of ids, because the planner joins a subquery by a scan of all jobs.
  const next = (from: string) => `(
    SELECT g.group_id FROM ${JOBS_SCHEMA}.job AS g
    WHERE -g.priority = -$1::integer AND ${WAITING('g')} AND g.group_id > ${from} ORDER BY g.group_id LIMIT 1)`
  const fetched = await query(
    `WITH RECURSIVE groups (id, is_again, turn) AS (
       SELECT ${next('$2::text')}, false, 1
       UNION ALL
       SELECT ${next(`coalesce(groups.id, '')`)}, is_again OR id IS NULL, turn + 1
       FROM groups WHERE NOT is_again OR id < $2::text),
     oldest AS MATERIALIZED (
       SELECT own.id, groups.turn FROM groups CROSS JOIN LATERAL (
         SELECT j.id FROM ${JOBS_SCHEMA}.job AS j
         WHERE -j.priority = -$1::integer AND j.group_id = groups.id AND ${FETCHABLE('j')}
         ORDER BY j.created_on
         LIMIT CASE WHEN ($5::jsonb ->> groups.id)::integer = 0 THEN 0 ELSE greatest(0, least(
           ($5::jsonb ->> groups.id)::integer, $4::integer - (
             SELECT count(*) FROM ${JOBS_SCHEMA}.job AS a
             WHERE a.name = '${QUEUE}' AND a.state = 'active' AND a.group_id = groups.id))) END
         FOR UPDATE SKIP LOCKED) AS own
       WHERE NOT is_again OR groups.id <= $2::text LIMIT $3),
     fetched AS (
       UPDATE ${JOBS_SCHEMA}.job AS j SET ${ACTIVATION} WHERE j.name = '${QUEUE}' AND j.id = ANY (ARRAY(SELECT id FROM oldest))
       RETURNING j.id, j.retry_count, j.group_id, j.created_on)
     SELECT * FROM fetched JOIN oldest USING (id)`,
    [priority, after, total, perTenant, JSON.stringify(Object.fromEntries(exceptions))],
  )
  const inOrder = fetched.toSorted(
    (one, other) =>
      Number(one.turn) - Number(other.turn) || Number(one.created_on) - Number(other.created_on),
  )
  const jobs = inOrder.map(({ id, retry_count }) => ({ id: String(id), retryCount: Number(retry_count) }))
  const last = inOrder.at(-1)?.group_id
  return { jobs, last: typeof last === 'string' ? last : null }
}

/** Selects whether jobs of a priority wait without a group. The order excludes the index by age, which reads all jobs. */
export const HAS_LOST = (priority: string) => `coalesce((
  SELECT true FROM ${JOBS_SCHEMA}.job AS j WHERE -j.priority = -${priority} AND j.group_id IS NULL AND ${FETCHABLE('j')}
  ORDER BY j.group_id, j.created_on LIMIT 1), false)`

/**
 * Gives each waiting job of one priority that has no group a group of its tenant. It was fetched by size, and lost. Its
 * revocation is running, so it is not fetched by size again. Skips jobs that another process is fetching.
 * @param prefix of the group's id, before the tenant
 */
export async function regroupLost(query: Query, priority: number, prefix: string): Promise<void> {
  await query(
    `WITH lost AS MATERIALIZED (
       SELECT j.id FROM ${JOBS_SCHEMA}.job AS j
       WHERE -j.priority = -$1::integer AND j.group_id IS NULL AND ${FETCHABLE('j')} FOR UPDATE SKIP LOCKED)
     UPDATE ${JOBS_SCHEMA}.job AS j
     SET group_id = $2 || coalesce((SELECT r.tenant FROM curfew.revocations AS r WHERE r.id = j.id), '')
     WHERE j.name = '${QUEUE}' AND j.id = ANY (ARRAY(SELECT id FROM lost))`,
    [priority, prefix],
  )
}
