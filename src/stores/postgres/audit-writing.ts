import { randomUUID } from 'node:crypto'
import { HEADS_EVERY_MS } from '../../revocation/audit/audit-log.ts'
import { append, type ChainEnd, emptyChain, type NewEntry } from '../../revocation/audit/chain.ts'
import type { AuditEvent, Head, NoteEvents } from '../../revocation/audit/entry.ts'
import { chainStarted, headsListed } from '../../revocation/audit/events.ts'
import { newSalt } from '../../revocation/audit/salt.ts'
import { Outbox } from '../../revocation/outbox.ts'
import { AUDIT_COLUMNS, toAuditValues, toHead } from '../audit-row.ts'
import { type NotificationRow, toNotificationRow } from '../notification-rows.ts'
import type { PostgresDatabase, Query } from './database.ts'
import { insertNotifications } from './notifications.ts'

interface Noted {
  events: readonly AuditEvent[]
  at: number
}

/** An arbitrary lock number. One process lists the heads of the chains at a time; the others skip it. */
const HEADS_LOCK = 4_283_307_232

/**
 * Runs transactions, and writes what they note to the audit trail before they commit. A process has a chain for each
 * transaction that it runs at the same time, so no transaction waits for another one: a transaction borrows an idle chain or
 * starts one, and returns it once the commit is known. Then the next entry continues from what was committed. If the
 * result of a commit is unknown, the chain is abandoned; the next chain that starts lists its end as the database has it.
 * The notifications that the noted changes cause are written in the same way.
 */
export class PostgresAuditWriting {
  readonly #database: Pick<PostgresDatabase, 'transaction'>
  readonly #isOn: boolean
  readonly #outbox: Outbox
  readonly #idle: ChainEnd[] = []

  constructor(database: Pick<PostgresDatabase, 'transaction'>, isOn: boolean, outbox = new Outbox()) {
    this.#database = database
    this.#isOn = isOn
    this.#outbox = outbox
  }

  /**
   * See `PostgresDatabase.transaction`. With entries it is always synced: if a server crash lost entries, this process would
   * continue their chain, and the gap would look like tampering.
   */
  async transaction<T>(
    work: (query: Query, note: NoteEvents) => Promise<T>,
    options?: { mustSync: boolean },
  ): Promise<T> {
    let end: ChainEnd | null = null
    let notifications: NotificationRow[] = []
    const result = await this.#database.transaction(async (query) => {
      // After a failed attempt, the chain that it borrowed is lost.
      end = null
      const noted: Noted[] = []
      notifications = []
      const result = await work(query, (events, at) => {
        if (this.#isOn && events.length > 0) noted.push({ events, at })
        for (const one of this.#outbox.of(events, at)) notifications.push(toNotificationRow(one))
      })
      // At the end, so that the row of the chain is locked only until the commit.
      if (noted.length + notifications.length === 0) return result
      if (options?.mustSync === false) await query('SET LOCAL synchronous_commit = on')
      if (notifications.length > 0) await insertNotifications(query, notifications)
      if (noted.length > 0) end = await this.#write(query, noted)
      return result
    }, options)
    if (end) this.#idle.push(end)
    if (notifications.length > 0)
      this.#outbox.onCommitted(new Set(notifications.map(({ receiver }) => String(receiver))))
    return result
  }

  /** See `AuditLog.recordHeads`. */
  async recordHeads(at: number): Promise<void> {
    if (!this.#isOn) return
    let end: ChainEnd | null = null
    await this.#database.transaction(async (query) => {
      end = null
      if (await isListDue(query, at)) end = await this.#write(query, [], at)
    })
    if (end) this.#idle.push(end)
  }

  /** @param listAt set if the heads of all chains must be listed */
  async #write(query: Query, noted: readonly Noted[], listAt?: number): Promise<ChainEnd> {
    const start = this.#idle.pop() ?? emptyChain(randomUUID())
    try {
      const all = [
        ...(await this.#listed(query, start, noted[0]?.at ?? listAt, listAt !== undefined)),
        ...noted,
      ]
      let end = start
      const entries: NewEntry[] = []
      for (const { events, at } of all) {
        const appended = append(end, events, at, newSalt)
        end = appended.end
        entries.push(...appended.entries)
      }
      if (entries.length > 0) await insert(query, start, entries)
      return end
    } catch (error) {
      this.#idle.push(start)
      throw error
    }
  }

  /** What precedes the noted events: the first entry of a new chain, or a list of the heads. */
  async #listed(query: Query, { writer, sequence }: ChainEnd, at = 0, mustList: boolean): Promise<Noted[]> {
    if (sequence > 0 && !mustList) return []
    const heads = await listHeads(query, writer, at)
    if (sequence === 0) return [{ events: [chainStarted(heads)], at }]
    return heads.length > 0 ? [{ events: [headsListed(heads)], at }] : []
  }
}

const TYPES: Readonly<Partial<Record<string, string>>> = {
  writer: 'uuid',
  sequence: 'bigint',
  at: 'bigint',
  revocation_id: 'uuid',
}
const ARRAYS = AUDIT_COLUMNS.map((name, index) => `$${index + 1}::${TYPES[name] ?? 'text'}[]`)
const NEXT = AUDIT_COLUMNS.length + 1

/**
 * Inserts entries, and moves the end of their chain. One statement for the whole transaction. If the chain's row was deleted
 * with its entries, the new one records where the chain continues.
 */
async function insert(query: Query, start: ChainEnd, entries: readonly NewEntry[]): Promise<void> {
  const rows = entries.map(toAuditValues)
  const columns = AUDIT_COLUMNS.map((_, column) => rows.map((row) => row[column]))
  const last = entries.at(-1)
  await query(
    `WITH moved AS (
       INSERT INTO curfew.audit_chains (writer, sequence, hash, purged, purged_hash)
       VALUES ($${NEXT}, $${NEXT + 1}, $${NEXT + 2}, $${NEXT + 3}, $${NEXT + 4})
       ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash)
     INSERT INTO curfew.audit_entries (${AUDIT_COLUMNS.join(', ')}) SELECT * FROM unnest(${ARRAYS.join(', ')})`,
    [...columns, start.writer, last?.sequence, last?.hash, start.sequence, start.hash],
  )
}

/**
 * The heads of other chains that no chain lists yet. Marks them as listed, except those that another transaction is about
 * to move: waiting for it could end in a deadlock, and the next list repeats them.
 */
async function listHeads(query: Query, writer: string, at: number): Promise<Head[]> {
  const rows = await query(
    `SELECT writer, sequence, hash FROM curfew.audit_chains
     WHERE writer <> $1 AND sequence > referenced ORDER BY writer`,
    [writer],
  )
  const heads = rows.map(toHead)
  if (heads.length === 0) return heads
  await query(
    `WITH free AS (
       SELECT writer FROM curfew.audit_chains WHERE writer = ANY ($1) ORDER BY writer FOR UPDATE SKIP LOCKED)
     UPDATE curfew.audit_chains AS c SET referenced = greatest(c.referenced, v.sequence), referenced_at = $3
     FROM free, unnest($1::uuid[], $2::bigint[]) AS v (writer, sequence)
     WHERE c.writer = free.writer AND v.writer = free.writer`,
    [heads.map((head) => head.writer), heads.map(({ sequence }) => sequence), at],
  )
  return heads
}

/** Whether a chain has entries that no other chain covers, and no process has listed the heads within the last hour. */
async function isListDue(query: Query, at: number): Promise<boolean> {
  // A statement of its own: the next one then sees what the last holder of the lock has committed.
  const [lock] = await query('SELECT pg_try_advisory_xact_lock($1) AS mine', [HEADS_LOCK])
  if (lock?.mine !== true) return false
  const [found] = await query(
    `SELECT NOT EXISTS (SELECT FROM curfew.audit_chains WHERE referenced_at > $1)
       AND EXISTS (SELECT FROM curfew.audit_chains AS c JOIN curfew.audit_entries AS e USING (writer, sequence)
         WHERE c.sequence > c.referenced AND e.event <> 'heads') AS due`,
    [at - HEADS_EVERY_MS],
  )
  return found?.due === true
}
