import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Revocation } from '../../revocation/revocation.ts'
import { REASONS, type Reason, type Signal, urgencyOf } from '../../revocation/signal.ts'
import type { BacklogCount, ReplayKey, RevocationQuery } from '../../revocation/store.ts'
import { COLUMNS, toRevocation, toRow } from '../rows.ts'

const PURGED_AT_ONCE = 500

/** The tenants that have something of one urgency queued, by one look-up each in the index `revocations_due`. */
const QUEUED_TENANTS = `queued_tenants (name) AS (
  SELECT min(tenant) FROM revocations WHERE status = 'queued' AND urgency = ?1
  UNION ALL
  SELECT (SELECT min(tenant) FROM revocations WHERE status = 'queued' AND urgency = ?1 AND tenant > name)
  FROM queued_tenants WHERE name IS NOT NULL
)`

/** A revocation's values in the order of `COLUMNS`. */
function valuesOf(revocation: Revocation): SQLInputValue[] {
  const row = toRow(revocation)
  return COLUMNS.map((name) => row[name])
}

/** Every SQL statement of the revocations, as functions. They read and write within the caller's transaction. */
export function sqliteStatements(database: DatabaseSync) {
  const prepared = new Map<string, StatementSync>()
  const prepare = (text: string): StatementSync => {
    const known = prepared.get(text)
    if (known) return known
    const statement = database.prepare(text)
    prepared.set(text, statement)
    return statement
  }
  const rows = (text: string, ...values: SQLInputValue[]) =>
    prepare(text)
      .all(...values)
      .map(toRevocation)
  const row = (text: string, ...values: SQLInputValue[]) => {
    const found = prepare(text).get(...values)
    return found ? toRevocation(found) : null
  }
  // By position: SQLite finds a parameter by name in a search through all of them.
  const insertRow = prepare(
    `INSERT INTO revocations (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  )
  const updateRow = prepare(
    `UPDATE revocations SET ${COLUMNS.map((name) => `${name} = ?`).join(', ')} WHERE id = ?`,
  )
  const findById = (id: string) => row('SELECT * FROM revocations WHERE id = ?', id)

  return {
    insert(revocation: Revocation): Revocation {
      insertRow.run(...valuesOf(revocation))
      return revocation
    },

    save(revocation: Revocation): Revocation {
      updateRow.run(...valuesOf(revocation), revocation.id)
      return revocation
    },

    remove(id: string): void {
      prepare('DELETE FROM revocations WHERE id = ?').run(id)
    },

    find(id: string): Revocation | null {
      const found = findById(id)
      if (found) return found
      const joined = prepare('SELECT into_id FROM joined_ids WHERE id = ?').get(id)
      return joined ? findById(String(joined.into_id)) : null
    },

    noteJoined(id: string, intoId: string): void {
      prepare('INSERT INTO joined_ids (id, into_id) VALUES (?, ?)').run(id, intoId)
    },

    queuedOf: ({ tenant, user, deviceType }: Signal): Revocation | null =>
      row(
        `SELECT * FROM revocations
         WHERE user_value = ? AND user_kind = ? AND tenant = ? AND device_key = ? AND place = 'queued'`,
        user.value,
        user.kind,
        tenant,
        deviceType ?? '',
      ),

    /** Ids that had joined one revocation lead to another one from now on. */
    rejoin(fromId: string, intoId: string): void {
      prepare('UPDATE joined_ids SET into_id = ? WHERE into_id = ?').run(intoId, fromId)
    },

    overtaken: (): string[] =>
      prepare(
        `SELECT running.id FROM revocations AS running
         JOIN revocations AS waiting ON waiting.user_value = running.user_value
           AND waiting.user_kind = running.user_kind AND waiting.tenant = running.tenant
           AND waiting.device_key = running.device_key AND waiting.place = 'queued'
         WHERE running.status = 'running' AND waiting.urgency < running.urgency`,
      )
        .all()
        .map(({ id }) => String(id)),

    /** What was never tried is due by `now`; what waits to be tried again, by `latest`. */
    waitNoLongerThan(now: number, latest: number): void {
      prepare(
        `UPDATE revocations SET due_at = ? WHERE status = 'queued' AND next_attempt_at IS NULL AND due_at > ?`,
      ).run(now, now)
      prepare(
        `UPDATE revocations SET due_at = ?, next_attempt_at = ? WHERE status = 'queued' AND next_attempt_at > ?`,
      ).run(latest, latest, latest)
    },

    running: (): Revocation[] => rows(`SELECT * FROM revocations WHERE status = 'running'`),

    /** The tenants that have something due, the longest due first. */
    tenantsDue: (reason: Reason, now: number): string[] =>
      prepare(
        `WITH RECURSIVE ${QUEUED_TENANTS}
         SELECT name, (SELECT min(due_at) FROM revocations
           WHERE status = 'queued' AND urgency = ?1 AND tenant = name) AS due_at
         FROM queued_tenants WHERE name IS NOT NULL AND due_at <= ?2 ORDER BY due_at`,
      )
        .all(urgencyOf(reason), now)
        .map(({ name }) => String(name)),

    /** What may be claimed of a tenant, the oldest first. */
    due: (reason: Reason, tenant: string, now: number, limit: number): Revocation[] =>
      rows(
        `SELECT * FROM revocations AS waiting
         WHERE status = 'queued' AND urgency = ? AND tenant = ? AND due_at <= ?
           AND NOT EXISTS (
             SELECT 1 FROM revocations AS running
             WHERE running.place = 'running' AND running.tenant = waiting.tenant
               AND running.user_kind = waiting.user_kind AND running.user_value = waiting.user_value
               AND running.device_key = waiting.device_key)
         ORDER BY due_at, id LIMIT ?`,
        urgencyOf(reason),
        tenant,
        now,
        limit,
      ),

    nextDueAt(now: number): number | null {
      const due = prepare(
        `WITH RECURSIVE ${QUEUED_TENANTS}
         SELECT min((SELECT min(due_at) FROM revocations
           WHERE status = 'queued' AND urgency = ?1 AND tenant = name AND due_at > ?2)) AS due_at
         FROM queued_tenants WHERE name IS NOT NULL`,
      )
      const times = REASONS.map((reason) => due.get(urgencyOf(reason), now)?.due_at).filter(
        (at) => typeof at === 'number',
      )
      return times.length > 0 ? Math.min(...times) : null
    },

    list({ status, tenant, tenants, userId, cursor, limit }: RevocationQuery): Revocation[] {
      const wanted: [string, SQLInputValue | undefined][] = [
        ['status = ?', status],
        ['tenant = ?', tenant],
        // As one parameter: there may be thousands, and the statement stays the same.
        ['tenant IN (SELECT value FROM json_each(?))', tenants && JSON.stringify(tenants)],
        [`user_kind = 'userId' AND user_value = ?`, userId],
        ['id < ?', cursor],
      ]
      const given = wanted.filter((pair): pair is [string, SQLInputValue] => pair[1] !== undefined)
      const where = given.length > 0 ? `WHERE ${given.map(([condition]) => condition).join(' AND ')}` : ''
      return rows(
        `SELECT * FROM revocations ${where} ORDER BY id DESC LIMIT ?`,
        ...given.map(([, value]) => value),
        limit,
      )
    },

    replayOf(key: string, since: number): { fingerprint: string | null; revocations: Revocation[] } | null {
      const found = prepare('SELECT fingerprint, answer FROM replays WHERE key = ? AND at >= ?').get(
        key,
        since,
      )
      if (!found) return null
      const fingerprint = found.fingerprint === null ? null : String(found.fingerprint)
      return { fingerprint, revocations: JSON.parse(String(found.answer)).map(toRevocation) }
    },

    noteReplay({ key, fingerprint }: ReplayKey, revocations: Revocation[], at: number): void {
      prepare('INSERT OR REPLACE INTO replays (key, fingerprint, answer, at) VALUES (?, ?, ?, ?)').run(
        key,
        fingerprint,
        JSON.stringify(revocations.map(toRow)),
        at,
      )
    },

    /** Deletes a bounded number of old rows, so that the event loop is not held; 0 when there are none left. */
    purgeSome(endedBefore: number, replaysBefore: number): number {
      const ended = prepare(
        `DELETE FROM revocations WHERE id IN
           (SELECT id FROM revocations WHERE completed_at < ? LIMIT ${PURGED_AT_ONCE})`,
      ).run(endedBefore)
      const replays = prepare(
        `DELETE FROM replays WHERE key IN (SELECT key FROM replays WHERE at < ? LIMIT ${PURGED_AT_ONCE})`,
      ).run(replaysBefore)
      return Number(ended.changes) + Number(replays.changes)
    },

    backlog: (): BacklogCount[] =>
      prepare(
        `SELECT tenant, status, count(*) AS count FROM revocations
         WHERE status IN ('queued', 'running') GROUP BY tenant, status`,
      )
        .all()
        .map(({ tenant, status, count }) => ({
          tenant: String(tenant),
          status: status === 'running' ? 'running' : 'queued',
          count: Number(count),
        })),

    /** A write that changes nothing but must reach the disk. */
    touch(): void {
      database.exec(`PRAGMA user_version = ${Number(prepare('PRAGMA user_version').get()?.user_version)}`)
    },
  }
}
