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

/** Where drawn permits are kept, so that a restart does not forget the calls of the last window. */
export interface PermitLog {
  /** The calls drawn at or after `since`. */
  history(key: BudgetKey, since: number): Promise<BudgetHistory>
  /** Notes one call, before it is made. Calls older than `since` may be forgotten. Resolves when it survives the process. */
  note(key: BudgetKey, at: number, since: number): Promise<void>
  /** Notes that the tier is blocked. Resolves when it survives the process. */
  block(key: BudgetKey, until: number): Promise<void>
}
