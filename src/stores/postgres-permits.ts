import type { BudgetKey, ExchangeAnswer, ExchangeRequest, PermitExchange } from '../qlik/permit-log.ts'
import type { Query } from './postgres-database.ts'

/** The permits of all processes, issued by `curfew.exchange_permits` in one round trip, by the clock of the database. */
export class PostgresPermits implements PermitExchange {
  readonly #query: Query

  constructor(query: Query) {
    this.#query = query
  }

  async exchange(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const { key, holder, limit, windowMs, leaseMs, held, ended, endedAgoMs, wanted } = request
    const [answer] = await this.#query(
      'SELECT * FROM curfew.exchange_permits($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
      [key.tenant, key.client, key.tier, holder, limit, windowMs, leaseMs, held, ended, endedAgoMs, wanted],
    )
    return {
      granted: Number(answer?.granted ?? 0),
      waitMs: Math.ceil(Number(answer?.wait_ms ?? 0)),
      remaining: Number(answer?.remaining ?? 0),
    }
  }

  async block({ tenant, client, tier }: BudgetKey, ms: number): Promise<void> {
    await this.#query(
      `INSERT INTO curfew.budgets AS known (tenant, client, tier, blocked_until)
       VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4 / 1000.0))
       ON CONFLICT (tenant, client, tier)
       DO UPDATE SET blocked_until = greatest(known.blocked_until, excluded.blocked_until)`,
      [tenant, client, tier, ms],
    )
  }
}
