/** Calls `purgeSome` until nothing is left to delete, and returns the total number of deleted rows. */
export async function purgeAll(purgeSome: () => Promise<number>): Promise<number> {
  let purged = 0
  for (;;) {
    const some = await purgeSome()
    if (some === 0) return purged
    purged += some
  }
}
