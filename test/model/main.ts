import { parseArgs } from 'node:util'
import { describe, search } from './search.ts'
import { openStores } from './stores.ts'

/** `npm run model`: executes runs, prints its progress, and stops at the first violated guarantee. */
const SAY_EVERY_MS = 10_000

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string' },
    path: { type: 'string' },
    store: { type: 'string', default: 'sqlite' },
    without: { type: 'string', multiple: true, default: [] },
  },
})
const runs = Number(values.runs)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))

const beganAt = performance.now()
const totals = { runs: 0, signals: 0, tokens: 0, calls: 0, verified: 0 }
let saidAt = beganAt
const say = () => {
  saidAt = performance.now()
  const counts = Object.entries(totals).map(([name, count]) => `${count} ${name}`)
  console.log(`${((saidAt - beganAt) / 1000).toFixed(0)} s: ${counts.join(', ')}`)
}

console.log(`${runs} runs with seed ${seed} on ${values.store}`)
const stores = await openStores()
const counterexample = await search({
  ...{ runs, seed, path: values.path, without: values.without },
  openStore: values.store === 'postgres' ? await stores.postgres() : await stores.sqlite(),
  onRun({ signals, tokens, calls, verified }) {
    totals.runs += 1
    totals.signals += signals
    totals.tokens += tokens
    totals.calls += calls
    totals.verified += verified
    if (performance.now() > saidAt + SAY_EVERY_MS) say()
  },
})
say()
await stores.close()
console.log(counterexample ? describe(counterexample) : 'All guarantees held.')
process.exitCode = counterexample ? 1 : 0
