import type { SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { QueueGroup } from '../../revocation/store/size-store.ts'
import type { BacklogCount } from '../../revocation/store.ts'
import { groupLimit, RUNNING_COLUMNS, reasonOf, runningGroup } from '../queue-groups.ts'
import type { Prepared } from './prepared.ts'

/** Rows per statement: a millisecond or two, so that a long queue does not block the event loop. */
const ROWS_AT_ONCE = 500

/**
 * The queued revocations of known size, then the others: each in the order of an index, which SQLite would not choose by
 * itself. The second index also contains those of known size, which are skipped: a statement that looked for others only
 * could read the whole index.
 */
const PARTS = [
  {
    index: 'revocations_sized',
    condition: 'size IS NOT NULL',
    order: ['urgency', 'tenant', 'size', 'due_at', 'id'],
  },
  { index: 'revocations_due', condition: 'true', order: ['urgency', 'tenant', 'due_at', 'id'] },
] as const

/** Reads the queue in parts, between which other work goes on. */
export async function sqliteQueue(
  { prepare }: Prepared,
  read: <T>(work: () => T) => Promise<T>,
  backlog: readonly BacklogCount[],
): Promise<QueueGroup[]> {
  const limit = groupLimit(backlog)
  const running = await read(() =>
    prepare(`SELECT ${RUNNING_COLUMNS} FROM revocations WHERE status = 'running'`).all(),
  )
  const groups = running.map(runningGroup)
  for (const { index, condition, order } of PARTS) {
    const columns = order.join(', ')
    const places = order.map(() => '?').join(', ')
    const statement = `SELECT urgency, tenant, size, due_at, id FROM revocations INDEXED BY ${index}
       WHERE status = 'queued' AND ${condition} AND (${columns}) > (${places}) ORDER BY ${columns} LIMIT ${ROWS_AT_ONCE}`
    let after: SQLInputValue[] = order.map((name) => (name === 'tenant' || name === 'id' ? '' : -1))
    let last: QueueGroup | null = null
    for (;;) {
      const rows = await read(() => prepare(statement).all(...after))
      for (const row of rows)
        if (index === 'revocations_sized' || row.size === null) last = add(groups, last, row, limit)
      const end = rows.at(-1)
      if (!end || rows.length < ROWS_AT_ONCE) break
      after = order.map((name) => end[name] ?? null)
      await setImmediate()
    }
  }
  return groups
}

/** Adds a row to the last group if it belongs there. */
function add(
  groups: QueueGroup[],
  last: QueueGroup | null,
  row: Record<string, unknown>,
  limit: number,
): QueueGroup {
  const [tenant, id] = [String(row.tenant), String(row.id)]
  const reason = reasonOf(row.urgency)
  const size = row.size === null ? null : Number(row.size)
  if (
    last !== null &&
    last.count < limit &&
    last.size === size &&
    last.reason === reason &&
    last.tenant === tenant
  ) {
    last.count += 1
    if (id < last.id) last.id = id
    return last
  }
  const group = { tenant, reason, isRunning: false, size, id, count: 1 }
  groups.push(group)
  return group
}
