import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type {
  BudgetHistory,
  BudgetKey,
  LearnedLimit,
  LimitStore,
  PermitLog,
} from '../../qlik/budget/permit-log.ts'

type Run = <T>(work: () => T) => Promise<T>

/** The name of a budget in the tables. Defaults to the tenant's current name if the budget has no calls. */
const NAME = `coalesce((SELECT tenant FROM budget_names WHERE origin = $origin AND client = $client), $tenant)`

/** Stores drawn permits in SQLite. Its writes are part of the store's group commit. */
export class SqlitePermitLog implements PermitLog, LimitStore {
  readonly #write: Run
  readonly #read: Run
  readonly #now: () => number
  readonly #name: StatementSync
  readonly #note: StatementSync
  readonly #forget: StatementSync
  readonly #since: StatementSync
  readonly #block: StatementSync
  readonly #unblock: StatementSync
  readonly #blocked: StatementSync
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync, write: Run, read: Run, now: () => number) {
    this.#write = write
    this.#read = read
    this.#now = now
    this.#database = database
    this.#name = database.prepare(
      `INSERT INTO budget_names (origin, client, tenant)
       SELECT $origin, $client,
         iif(EXISTS (SELECT 1 FROM budget_names WHERE tenant = $tenant AND client = $client), $origin, $tenant)
       WHERE true ON CONFLICT DO NOTHING`,
    )
    this.#note = database.prepare(
      `INSERT INTO permits (tenant, client, tier, at, count) VALUES (${NAME}, $client, $tier, $at, 1)
       ON CONFLICT DO UPDATE SET count = count + 1`,
    )
    this.#forget = database.prepare(
      `DELETE FROM permits WHERE tenant = ${NAME} AND client = $client AND tier = $tier AND at < $since`,
    )
    this.#since = database.prepare(
      `SELECT at, count FROM permits
       WHERE tenant = ${NAME} AND client = $client AND tier = $tier AND at >= $since ORDER BY at`,
    )
    this.#block = database.prepare(
      `INSERT INTO tier_blocks (tenant, client, tier, until) VALUES (${NAME}, $client, $tier, $until)
       ON CONFLICT DO UPDATE SET until = max(until, excluded.until)`,
    )
    this.#unblock = database.prepare(
      `DELETE FROM tier_blocks WHERE tenant = ${NAME} AND client = $client AND tier = $tier`,
    )
    this.#blocked = database.prepare(
      `SELECT until FROM tier_blocks WHERE tenant = ${NAME} AND client = $client AND tier = $tier`,
    )
  }

  learnedLimits(): Promise<LearnedLimit[]> {
    return this.#read(() =>
      this.#database
        .prepare('SELECT origin, tier, per, calls, at FROM learned_limits')
        .all()
        .map(({ origin, tier, per, calls, at }) => ({
          origin: String(origin),
          tier: tier === 1 ? 1 : 2,
          per: per === 'minute' ? 'minute' : 'window',
          calls: Number(calls),
          // A clock that was set back must not make it older or newer than possible.
          ageMs: Math.max(0, this.#now() - Number(at)),
        })),
    )
  }

  learnLimit({ origin, tier, per = 'window', calls }: Omit<LearnedLimit, 'ageMs'>): Promise<void> {
    return this.#write(() => {
      this.#database
        .prepare(
          `INSERT INTO learned_limits (origin, tier, per, calls, at) VALUES ($origin, $tier, $per, $calls, $at)
           ON CONFLICT DO UPDATE SET calls = excluded.calls, at = excluded.at`,
        )
        .run({ origin, tier, per, calls, at: this.#now() })
    })
  }

  history(key: BudgetKey, since: number): Promise<BudgetHistory> {
    return this.#read(() => {
      const until = this.#blocked.get(named(key))?.until
      return {
        permits: this.#since
          .all({ ...named(key), since })
          .map(({ at, count }) => ({ at: Number(at), count: Number(count) })),
        blockedUntil: until === undefined ? null : Number(until),
      }
    })
  }

  note(key: BudgetKey, at: number, since: number): Promise<void> {
    return this.#change(key, () => {
      this.#note.run({ ...named(key), at })
      this.#forget.run({ ...named(key), since })
    })
  }

  block(key: BudgetKey, until: number): Promise<void> {
    return this.#change(key, () => {
      this.#block.run({ ...named(key), until })
    })
  }

  unblock(key: BudgetKey): Promise<void> {
    return this.#change(key, () => {
      this.#unblock.run(named(key))
    })
  }

  /** The first write for a budget sets its name. */
  #change(key: BudgetKey, work: () => void): Promise<void> {
    return this.#write(() => {
      const { origin, tenant, client } = key
      this.#name.run({ origin, tenant, client })
      work()
    })
  }
}

/** Only the parameters that the statements use, because SQLite rejects unknown ones. */
function named({ origin, tenant, client, tier }: BudgetKey) {
  return { origin, tenant, client, tier }
}
