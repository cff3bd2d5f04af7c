import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { Batch } from '../../revocation/batch.ts'
import { keyDigest, type ReplayKey } from '../../revocation/replay.ts'
import { type Revocation, Status } from '../../revocation/revocation.ts'
import { urgencyOf } from '../../revocation/schedule.ts'
import { REASONS, type Reason, type Signal } from '../../revocation/signal.ts'
import { type BacklogCount, type MatchCount, type RevocationQuery, UNENDED } from '../../revocation/store.ts'
import { COLUMNS, toRevocation, toShortRow, toValues } from '../rows.ts'
import { countOf, pageOf, type SearchDialect, type Statement, searchParts } from '../search.ts'
import { SQLITE_AUDIT } from './audit-reading.ts'
import { heldStatements } from './held.ts'
import { NOT_RUNNING, prepareOn } from './prepared.ts'
import { sizedStatements } from './sized.ts'
import { unconfirmedStatements } from './unconfirmed.ts'

const PURGED_AT_ONCE = 500

const SQLITE_SEARCH: SearchDialect = {
  ...SQLITE_AUDIT,
  indexesOnlyEnded: true,
  flag: Number,
  window: (select) => `(${select('*')})`,
  windowOrder: 'id',
}

/** Named, because SQLite would read all failed revocations by status for the codes of their errors. */
export const SQLITE_FAILURES = { ...SQLITE_AUDIT, failures: 'revocations INDEXED BY revocations_failures' }

/**
 * The tenants with queued revocations of one urgency, found by one lookup per tenant in the index `revocations_due`.
 */
const QUEUED_TENANTS = `queued_tenants (name) AS (
  SELECT min(tenant) FROM revocations WHERE status = 'queued' AND urgency = ?1
  UNION ALL
  SELECT (SELECT min(tenant) FROM revocations WHERE status = 'queued' AND urgency = ?1 AND tenant > name)
  FROM queued_tenants WHERE name IS NOT NULL
)`

/** The SQL statements for revocations. They run in the caller's transaction. */
export function sqliteStatements(database: DatabaseSync) {
  const prepared = prepareOn(database)
  const { prepare, rows, row } = prepared
  // Positional parameters: SQLite finds a named parameter by linear search.
  const insertRow = prepare(
    `INSERT INTO revocations (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  )
  const updateRow = prepare(
    `UPDATE revocations SET ${COLUMNS.map((name) => `${name} = ?`).join(', ')} WHERE id = ?`,
  )
  const unconfirmed = unconfirmedStatements(prepared)
  const held = heldStatements(prepared)
  /** Not kept: searches have thousands of combinations of conditions. */
  const search = ({ text, values }: Statement) => database.prepare(text).all(...(values as SQLInputValue[]))
  const findById = (id: string) => row('SELECT * FROM revocations WHERE id = ?', id)

  return {
    prepared,
    unconfirmed,
    held,
    sized: sizedStatements(prepared),

    insert(revocation: Revocation): Revocation {
      insertRow.run(...toValues(revocation))
      return revocation
    },

    save(revocation: Revocation): Revocation {
      updateRow.run(...toValues(revocation), revocation.id)
      return revocation
    },

    /** Records the Qlik users that a name resolved to, for the listing by user. A user id needs no record. */
    noteResolved({ id, user, resolved }: Revocation): void {
      if (user.kind === 'userId') return
      for (const userId of resolved)
        prepare('INSERT OR IGNORE INTO resolved_users (user_id, revocation_id) VALUES (?, ?)').run(userId, id)
    },

    find(id: string): Revocation | null {
      const found = findById(id)
      if (found) return found
      const joined = prepare('SELECT into_id FROM joined_ids WHERE id = ?').get(id)
      return joined ? findById(String(joined.into_id)) : null
    },

    /** Deletes a revocation that has joined another one. Its id, and the ids that joined it, refer to the other one. */
    absorb(id: string, intoId: string): void {
      prepare('UPDATE joined_ids SET into_id = ? WHERE into_id = ?').run(intoId, id)
      prepare('INSERT INTO joined_ids (id, into_id) VALUES (?, ?)').run(id, intoId)
      this.replaceMember(id, intoId)
      prepare('DELETE FROM revocations WHERE id = ?').run(id)
    },

    /** Replaces a member of batches by the revocation that does its work. PostgreSQL has a trigger for this. */
    replaceMember(id: string, byId: string): void {
      prepare('UPDATE OR IGNORE batch_members SET revocation_id = ? WHERE revocation_id = ?').run(byId, id)
      // Left if both are members.
      prepare('DELETE FROM batch_members WHERE revocation_id = ?').run(id)
    },

    countMembers({ tenant, id }: Batch): number {
      const count = prepare('SELECT count(*) AS count FROM batch_members WHERE tenant = ? AND batch = ?')
      return Number(count.get(tenant, id)?.count)
    },

    addMembers({ tenant, id }: Batch, revocations: readonly Revocation[], at: number): void {
      const add = prepare(
        'INSERT OR IGNORE INTO batch_members (tenant, batch, revocation_id, at) VALUES (?, ?, ?, ?)',
      )
      for (const revocation of revocations) add.run(tenant, id, revocation.id, at)
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

    /**
     * Limits waiting times after the clock was set back. Revocations that were never tried become due at `now`. Those
     * that wait become due after their recorded backoff, or after `longest` if none is recorded.
     */
    waitNoLongerThan(now: number, longest: number): void {
      // A lookup per tenant: reading all of a million took 0.7 s of the start.
      const update = prepare(
        `WITH RECURSIVE ${QUEUED_TENANTS}
         UPDATE revocations SET
           due_at = min(due_at, ?2 + iif(next_attempt_at IS NULL, 0, ifnull(backoff_ms, ?3))),
           next_attempt_at = min(next_attempt_at, ?2 + ifnull(backoff_ms, ?3))
         WHERE id IN (SELECT id FROM queued_tenants CROSS JOIN revocations INDEXED BY revocations_due
           WHERE status = 'queued' AND urgency = ?1 AND tenant = name AND due_at > ?2)`,
      )
      for (const reason of REASONS) update.run(urgencyOf(reason), now, longest)
      unconfirmed.waitNoLongerThan(now)
    },

    running: (): Revocation[] => rows(`SELECT * FROM revocations WHERE status = 'running'`),

    /** The tenants with due revocations, longest overdue first. */
    tenantsDue: (reason: Reason, now: number): string[] =>
      prepare(
        `WITH RECURSIVE ${QUEUED_TENANTS}
         SELECT name, (SELECT min(due_at) FROM revocations
           WHERE status = 'queued' AND urgency = ?1 AND tenant = name) AS due_at
         FROM queued_tenants WHERE name IS NOT NULL AND due_at <= ?2 ORDER BY due_at`,
      )
        .all(urgencyOf(reason), now)
        .map(({ name }) => String(name)),

    /** The claimable revocations of a tenant, oldest first. */
    due: (reason: Reason, tenant: string, now: number, limit: number): Revocation[] =>
      rows(
        `SELECT * FROM revocations AS waiting
         WHERE status = 'queued' AND urgency = ? AND tenant = ? AND due_at <= ? AND ${NOT_RUNNING('waiting')}
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
      const times = [
        ...REASONS.map((reason) => due.get(urgencyOf(reason), now)?.due_at),
        unconfirmed.nextDueAt(now),
      ].filter((at) => typeof at === 'number')
      return times.length > 0 ? Math.min(...times) : null
    },

    list(query: RevocationQuery): { items: Revocation[]; nextCursor: string | null } {
      const parts = searchParts(query, SQLITE_SEARCH).map((part) => {
        const boundary = (part.boundary && search(part.boundary)[0]?.id?.toString()) ?? null
        return { found: search(part.found(boundary)).map(toRevocation), boundary }
      })
      return pageOf(parts, query.limit)
    },

    count: (query: RevocationQuery): MatchCount =>
      countOf(
        searchParts(query, SQLITE_SEARCH).map(({ count, end }) => ({
          count: search(count)[0],
          end: search(end)[0],
        })),
      ),

    /** The answer recorded with a key. Earlier versions stored the key itself. */
    replayOf(
      replay: ReplayKey,
      since: number,
    ): { fingerprint: string | null; revocations: Revocation[]; isFinished: boolean } | null {
      const unfinished = unfinishedKey(replay)
      const found = prepare(
        'SELECT key, fingerprint, answer FROM replays WHERE key IN (?1, ?2, ?3) AND at >= ?4 ORDER BY key = ?3',
      ).get(keyDigest(replay), replay.key, unfinished, since)
      if (!found) return null
      const fingerprint = found.fingerprint === null ? null : String(found.fingerprint)
      const revocations = JSON.parse(String(found.answer)).map(toRevocation)
      return { fingerprint, revocations, isFinished: found.key !== unfinished }
    },

    noteReplay(replay: ReplayKey, revocations: Revocation[], at: number, isFinished: boolean): void {
      prepare('INSERT OR REPLACE INTO replays (key, fingerprint, answer, at) VALUES (?, ?, ?, ?)').run(
        isFinished ? keyDigest(replay) : unfinishedKey(replay),
        replay.fingerprint,
        `[${revocations.map(toShortRow).join(',')}]`,
        at,
      )
    },

    forgetUnfinished(replay: ReplayKey): void {
      prepare('DELETE FROM replays WHERE key = ?').run(unfinishedKey(replay))
    },

    /** Deletes a limited number of old rows, to not block the event loop. Returns 0 if none are left. */
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

    backlog: (statuses = UNENDED): BacklogCount[] =>
      prepare(
        'SELECT tenant, status, count FROM backlog WHERE count > 0 AND status IN (SELECT value FROM json_each(?))',
      )
        .all(JSON.stringify(statuses))
        .map(({ tenant, status, count }) => ({
          tenant: String(tenant),
          status: Status.parse(status),
          count: Number(count),
        })),
  }
}

/** A separate key, so that versions that accept requests in one transaction do not return an unfinished answer. */
function unfinishedKey(replay: ReplayKey): string {
  return `unfinished:${keyDigest(replay)}`
}
