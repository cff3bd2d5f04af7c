import type {
  BudgetKey,
  BudgetReader,
  ExchangeAnswer,
  ExchangeRequest,
  LearnedLimit,
  LimitStore,
  PermitExchange,
  SharedBlock,
} from '../../qlik/budget/permit-log.ts'
import { Batches } from './batches.ts'
import type { Query } from './database.ts'

/** Limits how long other processes wait for the budgets that one statement locks. */
const EXCHANGED_AT_ONCE = 20

/**
 * The permits of all processes, issued by `curfew.exchange_budget` in one round trip, based on the database clock.
 * Exchanges for several tenants share a statement if the database is busy.
 */
export class PostgresPermits implements PermitExchange, LimitStore, BudgetReader {
  readonly #query: Query
  readonly #exchanges = new Batches({
    run: (requests: readonly ExchangeRequest[]) => this.#exchangeAll(requests),
    concurrency: 2,
    largest: EXCHANGED_AT_ONCE,
  })

  constructor(query: Query) {
    this.#query = query
  }

  exchange(request: ExchangeRequest): Promise<ExchangeAnswer> {
    return this.#exchanges.ask(request)
  }

  /** Locks budgets one after the other, always in the same order, to prevent deadlocks. */
  async #exchangeAll(requests: readonly ExchangeRequest[]): Promise<ExchangeAnswer[]> {
    const values = requests.map(
      ({ key, holder, limit, windowMs, leaseMs, held, ended, endedAgoMs, wanted, probe }, place) => ({
        ...key,
        holder,
        place,
        call_limit: limit,
        window_ms: windowMs,
        lease_ms: leaseMs,
        held,
        ended,
        ended_ago_ms: endedAgoMs,
        wanted,
        probe,
      }),
    )
    const answers = await this.#query(
      `WITH asked AS MATERIALIZED (
         SELECT v.*, curfew.budget_of(v.origin, v.client, v.tenant) AS budget
         FROM (
           SELECT * FROM json_to_recordset($1) AS v (origin text, tenant text, client text, tier integer, holder uuid,
             place integer, call_limit integer, window_ms float8, lease_ms float8, held integer, ended integer,
             ended_ago_ms float8, wanted integer, probe text)
           ORDER BY origin, client) AS v)
       SELECT place, answer.* FROM (SELECT * FROM asked ORDER BY budget, client, tier) AS v
       CROSS JOIN LATERAL curfew.exchange_budget(v.budget, v.client, v.tier, v.holder, v.call_limit, v.window_ms,
         v.lease_ms, v.held, v.ended, v.ended_ago_ms, v.wanted, v.probe) AS answer
       ORDER BY place`,
      [JSON.stringify(values)],
    )
    return answers.map(({ granted, wait_ms, remaining, is_probe, blocked_ms }) => ({
      granted: Number(granted),
      waitMs: Math.ceil(Number(wait_ms)),
      remaining: Number(remaining),
      isProbe: is_probe === true,
      blockedMs: blocked_ms === null ? null : Math.ceil(Number(blocked_ms)),
    }))
  }

  /** Locks nothing. One lookup for each budget, and its rows of ended calls: up to 501 each. */
  async remaining(budgets: Parameters<BudgetReader['remaining']>[0]): Promise<number[]> {
    const values = budgets.map(({ key, limit, windowMs }, place) => ({
      ...key,
      place,
      call_limit: limit,
      window_ms: windowMs,
    }))
    const sum = (table: string, condition: string) =>
      `coalesce((SELECT sum(count) FROM curfew.${table} AS t
         WHERE t.tenant = v.budget AND t.client = v.client AND t.tier = v.tier AND ${condition}), 0)`
    const found = await this.#query(
      `WITH v AS MATERIALIZED (
         SELECT v.*, coalesce(own.tenant, CASE WHEN other.tenant IS NULL THEN v.tenant ELSE v.origin END) AS budget
         FROM json_to_recordset($1) AS v (origin text, tenant text, client text, tier integer, place integer,
           call_limit integer, window_ms float8)
         LEFT JOIN curfew.budget_names AS own ON own.origin = v.origin AND own.client = v.client
         LEFT JOIN curfew.budget_names AS other ON other.tenant = v.tenant AND other.client = v.client)
       SELECT greatest(0, v.call_limit
         - ${sum('calls', 't.ended_at > now() - make_interval(secs => v.window_ms / 1000)')}
         - ${sum('permits', 'true')}) * (CASE WHEN EXISTS (
           SELECT FROM curfew.budgets AS b WHERE b.tenant = v.budget AND b.client = v.client AND b.tier = v.tier
             AND b.blocked_until IS NOT NULL) THEN 0 ELSE 1 END) AS remaining
       FROM v ORDER BY place`,
      [JSON.stringify(values)],
    )
    return found.map(({ remaining }) => Number(remaining))
  }

  async block({ origin, tenant, client, tier }: BudgetKey, ms: number): Promise<void> {
    await this.#query(
      `INSERT INTO curfew.budgets AS known (tenant, client, tier, blocked_until)
       VALUES (curfew.budget_of($1, $2, $3), $2, $4, clock_timestamp() + make_interval(secs => $5 / 1000.0))
       ON CONFLICT (tenant, client, tier)
       DO UPDATE SET blocked_until = greatest(known.blocked_until, excluded.blocked_until)`,
      [origin, client, tenant, tier, ms],
    )
  }

  async learnedLimits(): Promise<LearnedLimit[]> {
    const found = await this.#query(
      `SELECT origin, tier, per, calls, extract(epoch FROM clock_timestamp() - learned_at) * 1000 AS age_ms
       FROM curfew.learned_limits`,
    )
    return found.map(({ origin, tier, per, calls, age_ms }) => ({
      origin: String(origin),
      tier: tier === 1 ? 1 : 2,
      per: per === 'minute' ? 'minute' : 'window',
      calls: Number(calls),
      ageMs: Number(age_ms),
    }))
  }

  async learnLimit({ origin, tier, per = 'window', calls }: Omit<LearnedLimit, 'ageMs'>): Promise<void> {
    await this.#query(
      `INSERT INTO curfew.learned_limits (origin, tier, per, calls, learned_at) VALUES ($1, $2, $3, $4, clock_timestamp())
       ON CONFLICT (origin, tier, per) DO UPDATE SET calls = excluded.calls, learned_at = excluded.learned_at`,
      [origin, tier, per, calls],
    )
  }

  async recentCalls({ origin, tenant, client, tier }: BudgetKey, ms: number): Promise<number> {
    const [found] = await this.#query(
      `WITH budget AS (SELECT curfew.budget_of($1, $2, $3) AS name)
       SELECT
         (SELECT coalesce(sum(count), 0) FROM curfew.calls
          WHERE tenant = budget.name AND client = $2 AND tier = $4
            AND ended_at > clock_timestamp() - make_interval(secs => $5 / 1000.0))
         + (SELECT coalesce(sum(count), 0) FROM curfew.permits
            WHERE tenant = budget.name AND client = $2 AND tier = $4) AS calls
       FROM budget`,
      [origin, client, tenant, tier, ms],
    )
    return Number(found?.calls)
  }

  async blocks(): Promise<SharedBlock[]> {
    const found = await this.#query(
      `SELECT origin, client, tier, extract(epoch FROM blocked_until - clock_timestamp()) * 1000 AS ms
       FROM curfew.budgets JOIN curfew.budget_names USING (tenant, client)
       WHERE blocked_until > now()`,
    )
    return found.map(({ origin, client, tier, ms }) => ({
      origin: String(origin),
      client: String(client),
      tier: tier === 1 ? 1 : 2,
      ms: Number(ms),
    }))
  }
}
