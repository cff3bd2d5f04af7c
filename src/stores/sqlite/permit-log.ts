import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { BudgetHistory, BudgetKey, PermitLog } from '../../qlik/permit-log.ts'

type Run = <T>(work: () => T) => Promise<T>

/** The drawn permits in SQLite; the writes join the store's group commit. */
export class SqlitePermitLog implements PermitLog {
  readonly #write: Run
  readonly #read: Run
  readonly #note: StatementSync
  readonly #forget: StatementSync
  readonly #since: StatementSync
  readonly #block: StatementSync
  readonly #blocked: StatementSync

  constructor(database: DatabaseSync, write: Run, read: Run) {
    this.#write = write
    this.#read = read
    this.#note = database.prepare(
      `INSERT INTO permits (tenant, client, tier, at, count) VALUES (?, ?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET count = count + 1`,
    )
    this.#forget = database.prepare(
      'DELETE FROM permits WHERE tenant = ? AND client = ? AND tier = ? AND at < ?',
    )
    this.#since = database.prepare(
      `SELECT at, count FROM permits WHERE tenant = ? AND client = ? AND tier = ? AND at >= ? ORDER BY at`,
    )
    this.#block = database.prepare(
      `INSERT INTO tier_blocks (tenant, client, tier, until) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET until = max(until, excluded.until)`,
    )
    this.#blocked = database.prepare(
      'SELECT until FROM tier_blocks WHERE tenant = ? AND client = ? AND tier = ?',
    )
  }

  history({ tenant, client, tier }: BudgetKey, since: number): Promise<BudgetHistory> {
    return this.#read(() => {
      const until = this.#blocked.get(tenant, client, tier)?.until
      return {
        permits: this.#since
          .all(tenant, client, tier, since)
          .map(({ at, count }) => ({ at: Number(at), count: Number(count) })),
        blockedUntil: until === undefined ? null : Number(until),
      }
    })
  }

  note({ tenant, client, tier }: BudgetKey, at: number, since: number): Promise<void> {
    return this.#write(() => {
      this.#note.run(tenant, client, tier, at)
      this.#forget.run(tenant, client, tier, since)
    })
  }

  block({ tenant, client, tier }: BudgetKey, until: number): Promise<void> {
    return this.#write(() => {
      this.#block.run(tenant, client, tier, until)
    })
  }
}
