/** A rate tier of Qlik Cloud: 1 for reads, 2 for revoking tokens and for the token endpoint. */
export type Tier = 1 | 2

export const TIERS = [1, 2] as const satisfies readonly Tier[]

/** One budget: Qlik counts by tenant, by user (so by OAuth client) and by tier. */
export interface BudgetKey {
  /** The tenant's address. It identifies the tenant, regardless of its configured name. */
  origin: string
  /**
   * The tenant's current name. A store keeps a budget under the tenant's first name, or under its address if another
   * tenant had that name before.
   */
  tenant: string
  client: string
  tier: Tier
}

/** The stored history of a budget, read after a restart. Times in ms since the epoch. */
export interface BudgetHistory {
  /** Calls that may still count, oldest first. */
  permits: { at: number; count: number }[]
  /** End of the last wait that Qlik asked for; null if a call has passed since. */
  blockedUntil: number | null
}

/** Stores drawn permits, so that a restart does not forget the calls of the last window. */
export interface PermitLog {
  /** Returns the calls drawn at or after `since`. */
  history(key: BudgetKey, since: number): Promise<BudgetHistory>
  /**
   * Stores one call before it is made. Calls older than `since` may be deleted. Resolves when the record survives the
   * process.
   */
  note(key: BudgetKey, at: number, since: number): Promise<void>
  /** Stores that the tier is blocked. Resolves when the record survives the process. */
  block(key: BudgetKey, until: number): Promise<void>
  /** Stores that a call has passed after the block. */
  unblock(key: BudgetKey): Promise<void>
}

/** What a process reports about its permits, and how many more it requests. */
export interface ExchangeRequest {
  key: BudgetKey
  /** Id of the requesting process, a UUID. */
  holder: string
  /** Calls per window. */
  limit: number
  windowMs: number
  /** How long it may keep its permits without renewing them; after that they count as used. */
  leaseMs: number
  /** Permits it holds, unused or for calls under way. */
  held: number
  /** Calls that ended since its last report. */
  ended: number
  /** How long ago the last of them ended, in ms. */
  endedAgoMs: number
  wanted: number
  /** Whether it holds the permit of the probe, the first call after a block, or the probe has passed. */
  probe: 'none' | 'held' | 'passed'
}

export interface ExchangeAnswer {
  granted: number
  /** When to ask again if fewer were granted than requested, in ms. */
  waitMs: number
  /** Number of further permits that could have been granted. */
  remaining: number
  /** Whether the granted permit is the probe, whose result must be reported. */
  isProbe: boolean
  /**
   * How much longer the tier is blocked, in ms; 0 if the block is over and no call has passed since; null if the tier
   * is open.
   */
  blockedMs: number | null
}

/** A tier that Qlik has blocked for any process. */
export interface SharedBlock extends Omit<BudgetKey, 'tenant'> {
  /** Remaining time, in ms. */
  ms: number
}

/** Issues permits to several processes by one clock: never more than the limit in any window. */
export interface PermitExchange {
  /** Takes back and issues permits. The result survives this process. */
  exchange(request: ExchangeRequest): Promise<ExchangeAnswer>
  /** Issues nothing for `ms`, because Qlik has requested a wait. */
  block(key: BudgetKey, ms: number): Promise<void>
  /** Number of calls of all processes that ended within the last `ms` or are under way, or may start at once. */
  recentCalls?(key: BudgetKey, ms: number): Promise<number>
  /** The blocks in force, for all tenants. */
  blocks(): Promise<SharedBlock[]>
}

/**
 * Calls per window that all clients of a tenant may make together, learned from a 429 while a client's own window had
 * room: Qlik also limits the tenant as a whole, and another program may use the same client
 * (https://qlik.dev/apis/rest/rate-limiting).
 */
export interface LearnedLimit {
  /** The tenant's address. */
  origin: string
  tier: Tier
  /**
   * `minute`: Qlik evaluates the limit of each client for each minute; `calls` is that limit. By default `window`: the
   * limit of all clients together.
   */
  per?: 'window' | 'minute' | undefined
  /** The limit when it was learned. */
  calls: number
  /** How long ago that was, in ms. */
  ageMs: number
}

/** Stores the limits that were learned from refusals. */
export interface LimitStore {
  /** All learned limits, the latest of each tenant, tier and kind. */
  learnedLimits(): Promise<LearnedLimit[]>
  /** Stores a limit that was learned now. Resolves when it survives the process. */
  learnLimit(limit: Omit<LearnedLimit, 'ageMs'>): Promise<void>
}

/** Reads the budgets that processes share, without taking permits. */
export interface BudgetReader {
  /** For each budget, how many more calls its limit allows now, after those of all processes; 0 while it is blocked. */
  remaining(budgets: readonly { key: BudgetKey; limit: number; windowMs: number }[]): Promise<number[]>
}

/** A store provides one of the two. Without a `LimitStore`, a process forgets what it has learned when it ends. */
export type Permits = (PermitLog | PermitExchange) & Partial<LimitStore & BudgetReader>
