import { setImmediate } from 'node:timers/promises'

const ITEMS_PER_TURN = 100

/** Maps items in order. After every 100 items, the event loop serves others. */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  map: (item: Item) => Result,
): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) {
    if (results.length > 0 && results.length % ITEMS_PER_TURN === 0) await setImmediate()
    results.push(map(item))
  }
  return results
}
