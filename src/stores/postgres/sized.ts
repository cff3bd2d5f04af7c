import { randomUUID } from 'node:crypto'
import { CLAIMED_BY_SIZE, type RoomBySize, shareRoomBySize, urgencyOf } from '../../revocation/schedule.ts'
import type { Reason } from '../../revocation/signal.ts'
import type { Sized, Unsized, UnsizedQuery } from '../../revocation/store/size-store.ts'
import { toUnsized, UNSIZED_COLUMNS } from '../rows.ts'
import type { Query } from './database.ts'
import { ACTIVATION, FETCHABLE, JOBS_SCHEMA, type Job, QUEUE } from './job-table.ts'

const SIZED = `r.status = 'queued' AND NOT r.parked AND r.size IS NOT NULL AND r.urgency = $1`

/** The SQL statements for sizes. pg-boss fetches by age only, so jobs are fetched by size with our own statement. */
export function sizedStatements(query: Query) {
  const holder = randomUUID()
  return {
    /** Fetches the jobs of revocations with the fewest tokens, as far as there is room. */
    async fetch(reason: Reason, room: RoomBySize): Promise<Job[]> {
      if (room.total <= 0) return []
      const found = await this.queued(reason, Math.min(room.total, CLAIMED_BY_SIZE))
      const byTenant = Map.groupBy(found, ({ tenant }) => tenant)
      const queuedOf = (tenant: string, limit: number) => (byTenant.get(tenant) ?? []).slice(0, limit)
      const shares = shareRoomBySize(room, [...byTenant.keys()], (tenant, limit) =>
        queuedOf(tenant, limit).map(({ size }) => size),
      )
      const chosen = shares.flatMap(({ tenant, count }) => queuedOf(tenant, count))
      return chosen.length === 0 ? [] : this.activate(chosen.map(({ id }) => id))
    },

    /** Due revocations of known size, by tenant, the fewest tokens first; up to `limit` of each tenant. */
    async queued(reason: Reason, limit: number): Promise<(Sized & { tenant: string })[]> {
      const found = await query(
        `WITH RECURSIVE tenants (name) AS (
           SELECT min(tenant) FROM curfew.revocations AS r WHERE ${SIZED}
           UNION ALL
           SELECT (SELECT min(tenant) FROM curfew.revocations AS r WHERE ${SIZED} AND tenant > name)
           FROM tenants WHERE name IS NOT NULL)
         SELECT name AS tenant, queued.id, queued.size FROM tenants CROSS JOIN LATERAL (
           SELECT r.id, r.size FROM curfew.revocations AS r
           WHERE ${SIZED} AND r.tenant = tenants.name AND EXISTS (
             SELECT FROM ${JOBS_SCHEMA}.job WHERE job.id = r.id AND ${FETCHABLE('job')})
           ORDER BY r.size, r.due_at LIMIT $2) AS queued
         WHERE name IS NOT NULL`,
        [urgencyOf(reason), limit],
      )
      return found.map(({ tenant, id, size }) => ({
        tenant: String(tenant),
        id: String(id),
        size: Number(size),
      }))
    },

    /**
     * Makes jobs active like a fetch of pg-boss, but without a group: in that of the tenant, they would take the room of the
     * oldest. Skips jobs that another process is fetching.
     */
    async activate(ids: readonly string[]): Promise<Job[]> {
      const fetched = await query(
        `WITH next AS MATERIALIZED (
           SELECT job.id FROM ${JOBS_SCHEMA}.job
           WHERE job.id = ANY ($1) AND ${FETCHABLE('job')} FOR UPDATE SKIP LOCKED)
         UPDATE ${JOBS_SCHEMA}.job AS j SET group_id = NULL, ${ACTIVATION}
         WHERE j.name = '${QUEUE}' AND j.id = ANY (ARRAY(SELECT id FROM next)) RETURNING j.id, j.retry_count`,
        [ids],
      )
      const counts = new Map(fetched.map(({ id, retry_count }) => [String(id), Number(retry_count)]))
      return ids.flatMap((id) => {
        const retryCount = counts.get(id)
        return retryCount === undefined ? [] : [{ id, retryCount }]
      })
    },

    async unsized({ tenant, reason, after, limit }: UnsizedQuery): Promise<Unsized[]> {
      const found = await query(
        `SELECT ${UNSIZED_COLUMNS} FROM curfew.revocations
         WHERE status = 'queued' AND urgency = $1 AND tenant = $2 AND size IS NULL
           AND ($3::bigint IS NULL OR (due_at, id) > ($3::bigint, $4::uuid)) ORDER BY due_at, id LIMIT $5`,
        [urgencyOf(reason), tenant, after?.dueAt, after?.id, limit],
      )
      return found.map(toUnsized)
    },

    async note(sizes: readonly Sized[]): Promise<number> {
      const noted = await query(
        `WITH own AS MATERIALIZED (
           SELECT r.id, v.size FROM curfew.revocations AS r JOIN unnest($1::uuid[], $2::integer[]) AS v (id, size) USING (id)
           WHERE r.status = 'queued' FOR UPDATE OF r SKIP LOCKED)
         UPDATE curfew.revocations AS r SET size = own.size FROM own WHERE r.id = own.id RETURNING r.id`,
        [sizes.map(({ id }) => id), sizes.map(({ size }) => size)],
      )
      return noted.length
    },

    async reserve(tenant: string, ms: number): Promise<boolean> {
      const reserved = await query(
        `INSERT INTO curfew.surveys AS known VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
         ON CONFLICT (tenant) DO UPDATE SET holder = excluded.holder, until = excluded.until
           WHERE known.holder = excluded.holder OR known.until < clock_timestamp()
         RETURNING tenant`,
        [tenant, holder, ms / 1000],
      )
      return reserved.length > 0
    },
  }
}
