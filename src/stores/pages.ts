import type { Revocation } from '../revocation/revocation.ts'

/** A page of at most `limit` of what was found with one more than that, and where the next one begins. */
export function pageOf(
  found: Revocation[],
  limit: number,
): { items: Revocation[]; nextCursor: string | null } {
  const items = found.slice(0, limit)
  return { items, nextCursor: found.length > items.length ? (items.at(-1)?.id ?? null) : null }
}

/** Deletes some at a time, until none is left; answers how many there were. */
export async function purgeAll(purgeSome: () => Promise<number>): Promise<number> {
  let purged = 0
  for (;;) {
    const some = await purgeSome()
    if (some === 0) return purged
    purged += some
  }
}
