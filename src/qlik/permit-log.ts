/** A rate tier of Qlik Cloud: 1 for reads, 2 for revoking tokens and for the token endpoint. */
export type Tier = 1 | 2

/** One budget: Qlik counts by tenant, by user (so by OAuth client) and by tier. */
export interface BudgetKey {
  tenant: string
  client: string
  tier: Tier
}

/** What is remembered of a budget across a restart. Times in ms since the epoch. */
export interface BudgetHistory {
  /** Calls that may still count, oldest first. */
  permits: { at: number; count: number }[]
  /** Until when Qlik asked to wait, or null. */
  blockedUntil: number | null
}

/** A stored block that lasts longer was written by a clock that was wrong. */
export const LONGEST_BLOCK_MS = 24 * 60 * 60_000

/** Where drawn permits are kept, so that a restart does not forget the calls of the last window. */
export interface PermitLog {
  /** The calls drawn at or after `since`. */
  history(key: BudgetKey, since: number): Promise<BudgetHistory>
  /** Notes one call, before it is made. Calls older than `since` may be forgotten. Resolves when it survives the process. */
  note(key: BudgetKey, at: number, since: number): Promise<void>
  /** Notes that the tier is blocked. Resolves when it survives the process. */
  block(key: BudgetKey, until: number): Promise<void>
}

/** What a process tells of its permits, and how many more it wants. */
export interface ExchangeRequest {
  key: BudgetKey
  /** Who asks: one of those that share the budget. A UUID. */
  holder: string
  /** Calls per window. */
  limit: number
  windowMs: number
  /** How long the permits that it holds are its own: then they count as used, unless it is heard of again. */
  leaseMs: number
  /** Permits that it holds, unused or for calls that are under way. */
  held: number
  /** Calls that have ended since it last told. */
  ended: number
  /** How long ago the last of them ended. */
  endedAgoMs: number
  wanted: number
}

export interface ExchangeAnswer {
  granted: number
  /** When to ask again, where fewer were granted than wanted. */
  waitMs: number
  /** How many more could have been granted. */
  remaining: number
}

/** Where the permits of several processes are issued, by one clock: never more than the limit in any window. */
export interface PermitExchange {
  /** Takes back, and issues. What it answers survives this process. */
  exchange(request: ExchangeRequest): Promise<ExchangeAnswer>
  /** Issues nothing for `ms`: Qlik has asked to wait. */
  block(key: BudgetKey, ms: number): Promise<void>
}

/** A store has one or the other. */
export type Permits = PermitLog | PermitExchange
