import { existsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { z } from 'zod'
import type { BudgetHistory, BudgetKey } from '../../qlik/budget/permit-log.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import { urgencyOf } from '../../revocation/schedule.ts'
import { REASONS } from '../../revocation/signal.ts'
import { toRevocation } from '../rows.ts'
import { SessionRow, UnsourcedSessionRow } from '../session-row.ts'
import { openDatabase } from '../sqlite/database.ts'
import { asCurfewError } from '../sqlite/errors.ts'
import { SqlitePermitLog } from '../sqlite/permit-log.ts'

/** Revocations, with the ids that joined one of them. */
export interface Page {
  revocations: Revocation[]
  joins: { id: string; intoId: string }[]
}

/** The recorded first answer to a request. */
export interface Replay {
  key: string
  fingerprint: string | null
  answer: string
  at: number
}

const PAGE = 500
/** A batch of answers ends when it exceeds this size, because answers to bulk requests are long. */
const REPLAYED_CHARACTERS = 2_000_000

/** Whether the file exists and has Curfew's tables. @throws CURFEW_STORE_LOCKED, CURFEW_STORE_UNAVAILABLE */
export function isCurfewFile(path: string): boolean {
  // Opening a missing file would create it.
  if (!existsSync(path)) return false
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    return database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'revocations'`).get() !== undefined
  } catch (error) {
    throw asCurfewError(error)
  } finally {
    database?.close()
  }
}

/**
 * Reads a SQLite store page by page. The file is locked by this process, so nothing changes while it is read. The only
 * write is the migration of its schema.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openSqliteSource(path: string, now: () => number) {
  const database = openDatabase(path)
  const nothing = async () => {
    throw new Error('The source is read-only.')
  }
  const permits = new SqlitePermitLog(database, nothing, async (work) => work(), now)
  const joinsOf = database.prepare(
    'SELECT id, into_id FROM joined_ids WHERE into_id IN (SELECT value FROM json_each(?))',
  )

  /** Reads all pages. The last two parameters of `select` are the id to continue after and the page size. */
  function* pages(select: StatementSync, start: string, ...values: (string | number)[]): Generator<Page> {
    for (let last: string | undefined = start; last !== undefined; ) {
      const revocations: Revocation[] = select.all(...values, last, PAGE).map(toRevocation)
      const joins = joinsOf.all(JSON.stringify(revocations.map(({ id }) => id)))
      if (revocations.length > 0) {
        yield {
          revocations,
          joins: joins.map(({ id, into_id }) => ({ id: String(id), intoId: String(into_id) })),
        }
      }
      last = revocations.length < PAGE ? undefined : revocations.at(-1)?.id
    }
  }

  function* rows<Row>(table: string, schema: z.ZodType<Row>, now: number): Generator<Row[]> {
    let some: Row[] = []
    for (const row of database.prepare(`SELECT * FROM ${table} WHERE expires_at > ?`).iterate(now)) {
      some.push(schema.parse(row))
      if (some.length < PAGE) continue
      yield some
      some = []
    }
    if (some.length > 0) yield some
  }

  function* inPages(select: StatementSync): Generator<Record<string, unknown>[]> {
    let some: Record<string, unknown>[] = []
    for (const row of select.iterate()) {
      some.push(row)
      if (some.length < PAGE) continue
      yield some
      some = []
    }
    if (some.length > 0) yield some
  }

  return {
    count: (): number => Number(database.prepare('SELECT count(*) AS count FROM revocations').get()?.count),

    /**
     * Running revocations come before those queued behind them; then the most urgent, oldest first. Ids sort by age,
     * and the index on the status returns them in order, so that no page has to sort all remaining rows. A page has no
     * two revocations of the same user and device type, because there is at most one running and one queued.
     */
    *pending(): Generator<Page> {
      const running = `SELECT * FROM revocations WHERE status = 'running' AND id > ? ORDER BY id LIMIT ?`
      yield* pages(database.prepare(running), '')
      const queued = database.prepare(
        `SELECT * FROM revocations WHERE status = 'queued' AND +urgency = ? AND id > ? ORDER BY id LIMIT ?`,
      )
      for (const reason of REASONS) yield* pages(queued, '', urgencyOf(reason))
    },

    /** Revocations that the brake on mass revocation holds, oldest first. */
    *held(): Generator<Page> {
      yield* pages(
        database.prepare(`SELECT * FROM revocations WHERE status = 'held' AND id > ? ORDER BY id LIMIT ?`),
        '',
      )
    },

    /** Finished revocations, newest first. */
    *ended(): Generator<Page> {
      const ended = `SELECT * FROM revocations WHERE +status IN ('completed', 'failed', 'cancelled') AND id < ?
        ORDER BY id DESC LIMIT ?`
      // Greater than any id, because ids begin with a hex digit.
      yield* pages(database.prepare(ended), 'g')
    },

    *replays(since: number): Generator<Replay[]> {
      let some: Replay[] = []
      let characters = 0
      const all = database.prepare('SELECT key, fingerprint, answer, at FROM replays WHERE at >= ?')
      for (const { key, fingerprint, answer, at } of all.iterate(since)) {
        some.push({
          key: String(key),
          fingerprint: fingerprint === null ? null : String(fingerprint),
          answer: String(answer),
          at: Number(at),
        })
        characters += String(answer).length
        if (some.length < PAGE && characters < REPLAYED_CHARACTERS) continue
        yield some
        some = []
        characters = 0
      }
      if (some.length > 0) yield some
    },

    batchMembers: () => inPages(database.prepare('SELECT * FROM batch_members')),

    notifications: () => inPages(database.prepare('SELECT * FROM notifications')),

    /** The audit trail, in the order of the chains. */
    auditEntries: () => inPages(database.prepare('SELECT * FROM audit_entries ORDER BY writer, sequence')),

    auditChains: () => inPages(database.prepare('SELECT * FROM audit_chains')),

    /** Sessions that have not expired. */
    sessions: (now: number) => rows('source_sessions', SessionRow, now),

    /** Unexpired sessions that were recorded without a source. */
    unsourcedSessions: (now: number) => rows('sessions', UnsourcedSessionRow, now),

    /**
     * Every budget, with its calls at or after `since`. `origin` is empty if only an earlier version used the budget.
     */
    async budgets(since: number): Promise<{ key: BudgetKey; history: BudgetHistory }[]> {
      const found = database
        .prepare(
          `SELECT * FROM (SELECT tenant, client, tier FROM permits UNION SELECT tenant, client, tier FROM tier_blocks)
           LEFT JOIN budget_names USING (tenant, client)`,
        )
        .all()
      const keys = found.map(
        ({ origin, tenant, client, tier }): BudgetKey => ({
          origin: String(origin ?? ''),
          tenant: String(tenant),
          client: String(client),
          tier: tier === 1 ? 1 : 2,
        }),
      )
      return Promise.all(keys.map(async (key) => ({ key, history: await permits.history(key, since) })))
    },

    learnedLimits: () => permits.learnedLimits(),

    close: () => database.close(),
  }
}
