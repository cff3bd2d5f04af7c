import type { QueueGroup } from '../../revocation/store/size-store.ts'
import type { BacklogCount } from '../../revocation/store.ts'
import { groupLimit, RUNNING_COLUMNS, reasonOf, runningGroup } from '../queue-groups.ts'
import type { Query } from './database.ts'

/** Counts the queue in the server, so that few rows are transferred. */
export async function postgresQueue(query: Query, backlog: readonly BacklogCount[]): Promise<QueueGroup[]> {
  const running = await query(`SELECT ${RUNNING_COLUMNS} FROM curfew.revocations WHERE status = 'running'`)
  const waiting = await query(
    `SELECT tenant, urgency, size, min(id::text) AS id, count(*) AS count FROM (
       SELECT tenant, urgency, size, id,
         (row_number() OVER (PARTITION BY tenant, urgency, size ORDER BY due_at, id) - 1) / $1::integer AS part
       FROM curfew.revocations WHERE status = 'queued') AS numbered
     GROUP BY tenant, urgency, size, part`,
    [groupLimit(backlog)],
  )
  const groups = waiting.map(({ tenant, urgency, size, id, count }) => ({
    tenant: String(tenant),
    reason: reasonOf(urgency),
    isRunning: false,
    size: size === null ? null : Number(size),
    id: String(id),
    count: Number(count),
  }))
  return [...running.map(runningGroup), ...groups]
}
