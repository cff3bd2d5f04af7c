import type { Revocation } from '../revocation/revocation.ts'

/**
 * Cuts a query result to `limit` revocations and returns the cursor of the next page.
 * @param found the result of a query for `limit + 1` revocations
 */
export function pageOf(
  found: Revocation[],
  limit: number,
): { items: Revocation[]; nextCursor: string | null } {
  const items = found.slice(0, limit)
  return { items, nextCursor: found.length > items.length ? (items.at(-1)?.id ?? null) : null }
}

/** Calls `purgeSome` until nothing is left to delete, and returns the total number of deleted rows. */
export async function purgeAll(purgeSome: () => Promise<number>): Promise<number> {
  let purged = 0
  for (;;) {
    const some = await purgeSome()
    if (some === 0) return purged
    purged += some
  }
}
