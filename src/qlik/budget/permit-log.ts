/** A rate tier of Qlik Cloud: 1 for reads, 2 for revoking tokens and for the token endpoint. */
export type Tier = 1 | 2

export const TIERS = [1, 2] as const satisfies readonly Tier[]

/** One budget: Qlik counts by tenant, by user (so by OAuth client) and by tier. */
export interface BudgetKey {
  /** The tenant's address: what the budget belongs to, whatever the tenant is called. */
  origin: string
  /**
   * What the tenant is called now. A store keeps a budget under the name that its tenant had first, and under the address
   * where another tenant had that name before.
   */
  tenant: string
  client: string
  tier: Tier
}

/** What is remembered of a budget across a restart. Times in ms since the epoch. */
export interface BudgetHistory {
  /** Calls that may still count, oldest first. */
  permits: { at: number; count: number }[]
  /** Until when Qlik asked to wait last; null where a call has passed since. */
  blockedUntil: number | null
}

/** Where drawn permits are kept, so that a restart does not forget the calls of the last window. */
export interface PermitLog {
  /** The calls drawn at or after `since`. */
  history(key: BudgetKey, since: number): Promise<BudgetHistory>
  /** Notes one call, before it is made. Calls older than `since` may be forgotten. Resolves when it survives the process. */
  note(key: BudgetKey, at: number, since: number): Promise<void>
  /** Notes that the tier is blocked. Resolves when it survives the process. */
  block(key: BudgetKey, until: number): Promise<void>
  /** Notes that a call has passed after the block. */
  unblock(key: BudgetKey): Promise<void>
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
  /** Whether it holds the permit of the probe, the first call after a block, or that call has passed. */
  probe: 'none' | 'held' | 'passed'
}

export interface ExchangeAnswer {
  granted: number
  /** When to ask again, where fewer were granted than wanted. */
  waitMs: number
  /** How many more could have been granted. */
  remaining: number
  /** What was granted is the probe: whether its call passes must be reported. */
  isProbe: boolean
  /** How much longer the tier is blocked; 0 while the block is over and no call has passed since; null where it is open. */
  blockedMs: number | null
}

/** A tier that Qlik has blocked for any of the processes. */
export interface SharedBlock extends Omit<BudgetKey, 'tenant'> {
  /** How much longer. */
  ms: number
}

/** Where the permits of several processes are issued, by one clock: never more than the limit in any window. */
export interface PermitExchange {
  /** Takes back, and issues. What it answers survives this process. */
  exchange(request: ExchangeRequest): Promise<ExchangeAnswer>
  /** Issues nothing for `ms`: Qlik has asked to wait. */
  block(key: BudgetKey, ms: number): Promise<void>
  /** The blocks in force, of all tenants. */
  blocks(): Promise<SharedBlock[]>
}

/** A store has one or the other. */
export type Permits = PermitLog | PermitExchange
