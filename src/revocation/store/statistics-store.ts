export interface VerifiedQuery {
  /** From this time on, ms since the epoch. */
  from: number
  /** Before this time. */
  to: number
  /** Only of these tenants. */
  tenants?: readonly string[] | undefined
}

/** Revocations that were verified in the same minute after about the same time. */
export interface VerifiedCount {
  /** Minutes since the epoch. */
  minute: number
  /** Of the time from acceptance, or from the release of a held revocation: see `bucketOf`. */
  bucket: number
  count: number
}

/** The part of `RevocationStore` for statistics. */
export interface StatisticsStore {
  /**
   * Counts verified revocations by the time of the listing that proves them. Reads a limited number of them.
   * @returns `next`: where to continue; null if nothing is left before `to`
   */
  verified(query: VerifiedQuery): Promise<{ counts: VerifiedCount[]; next: number | null }>
}
