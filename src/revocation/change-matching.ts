import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../base/clock.ts'
import { CurfewError, ERRORS, type ErrorCode } from '../base/errors.ts'
import type { Revocation, Status } from './revocation.ts'
import type { RevocationQuery, RevocationStore } from './store.ts'

/** Rows that are read together. Reading blocks the event loop on SQLite. */
const LISTED_AT_ONCE = 200
/** On PostgreSQL each change takes one of `DATABASE_CONNECTIONS`, which accepts need, too. */
const CHANGED_AT_ONCE = 4
/** Pages can be empty, because each reads a limited number of rows. */
const MAX_PAGES = 50
const MAX_MS = 5_000
const MAX_IDS = 100

export interface MatchingOptions {
  store: Pick<RevocationStore, 'list'>
  clock: Pick<Clock, 'monotonic'>
  /** Maximum number of matching revocations. */
  limit: number
  /**
   * Changes one revocation, or tries what would happen. Returns whether it did; false if it is gone or has changed
   * since it was found.
   * @throws CurfewError with a 4xx status if it cannot be changed
   */
  change: (revocation: Revocation) => Promise<boolean>
}

/** What was done with the revocations that match. */
export interface MatchingResult {
  matched: number
  changed: number
  /** The changed ones by their state when they were found. */
  byStatus: Partial<Record<Status, number>>
  /** How many could not be changed, by error code. */
  refused: Partial<Record<ErrorCode, number>>
  /** The first of the changed ones. */
  ids: string[]
  /** To continue after those that were looked at; null if there are no more. */
  nextCursor: string | null
}

/**
 * Changes revocations that match, newest first, each in a transaction of its own, up to a number of them and a time. What
 * this has changed stays changed if a later change rejects.
 */
export async function changeMatching(
  query: Omit<RevocationQuery, 'limit'>,
  { store, clock, limit, change }: MatchingOptions,
): Promise<MatchingResult> {
  const result: MatchingResult = {
    ...{ matched: 0, changed: 0, byStatus: {}, refused: {}, ids: [], nextCursor: null },
  }
  const giveUpAt = clock.monotonic() + MAX_MS
  let cursor = query.cursor
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const size = Math.min(LISTED_AT_ONCE, limit - result.matched)
    const { items, nextCursor } = await store.list({ ...query, cursor, limit: size })
    for (let start = 0; start < items.length; start += CHANGED_AT_ONCE) {
      const some = items.slice(start, start + CHANGED_AT_ONCE)
      await Promise.all(some.map((one) => changeOne(one, change, result)))
      if (clock.monotonic() >= giveUpAt) return { ...result, nextCursor: some.at(-1)?.id ?? null }
    }
    if (nextCursor === null || result.matched >= limit || clock.monotonic() >= giveUpAt)
      return { ...result, nextCursor }
    cursor = nextCursor
    await setImmediate()
  }
  return { ...result, nextCursor: cursor ?? null }
}

async function changeOne(
  revocation: Revocation,
  change: MatchingOptions['change'],
  result: MatchingResult,
): Promise<void> {
  result.matched += 1
  try {
    if (!(await change(revocation))) return
    result.changed += 1
    result.byStatus[revocation.status] = (result.byStatus[revocation.status] ?? 0) + 1
    if (result.ids.length < MAX_IDS) result.ids.push(revocation.id)
  } catch (error) {
    if (!(error instanceof CurfewError) || (ERRORS[error.code].status ?? 500) >= 500) throw error
    result.refused[error.code] = (result.refused[error.code] ?? 0) + 1
  }
}
