import t from 'tap'
import type { OpenModelStore } from './model-store.ts'
import { describe, search } from './search.ts'
import { openStores } from './stores.ts'

/** Fixed seeds for repeatable runs, and a random one for new runs. */
const SEEDS = [1, 2, 3]
const RANDOM_SEED = Math.floor(Math.random() * 2 ** 31)
/** Time limits after which no run starts, for slow machines. */
const SQLITE_LIMIT_MS = 30_000
const POSTGRES_LIMIT_MS = 30_000

const stores = await openStores()
t.teardown(() => stores.close())

async function prove(seeds: readonly number[], runs: number, openStore: OpenModelStore, limitMs: number) {
  let made = 0
  for (const seed of seeds) {
    const timeLimitMs = limitMs / seeds.length
    const onRun = () => {
      made += 1
    }
    const counterexample = await search({ runs, seed, openStore, timeLimitMs, onRun })
    t.equal(counterexample && describe(counterexample), null, `seed ${seed}`)
  }
  t.comment(`${made} runs`)
}

t.test('all guarantees hold in any run of one process on SQLite', async () => {
  t.comment(`random seed ${RANDOM_SEED}`)
  await prove([...SEEDS, RANDOM_SEED], 48, await stores.sqlite(), SQLITE_LIMIT_MS)
})

t.test('all guarantees hold in any run of several processes on PostgreSQL', async () => {
  await prove([...SEEDS, RANDOM_SEED], 2, await stores.postgres(), POSTGRES_LIMIT_MS)
})
