import fc from 'fast-check'
import t, { type Test } from 'tap'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import type { OpenModelStore } from './model-store.ts'
import { postgresDatabases } from './postgres-databases.ts'
import { anyRun, describeRun, execute, type Run } from './run.ts'
import { sqliteFiles } from './sqlite-files.ts'
import { Violation } from './violation.ts'

/** One that is always the same, so that a change shows at once; and another one each time. */
const SEEDS = [20_261_127, Math.floor(Math.random() * 2 ** 31)]
/** `npm run model` makes more, for as long as somebody wants. */
const TIME_LIMIT_MS = 60_000

/** Makes runs until one breaks a guarantee, or the time is over. */
async function look(
  t: Test,
  openStore: OpenModelStore,
  { numRuns, seed }: { numRuns: number; seed: number },
) {
  t.comment(`${numRuns} runs, seed ${seed}`)
  let done = 0
  const result = await fc.check(
    fc.asyncProperty(anyRun, async (run) => {
      await execute(run, openStore)
      done += 1
    }),
    { numRuns, seed, interruptAfterTimeLimit: TIME_LIMIT_MS },
  )
  t.comment(`${done} done`)
  if (result.failed) {
    const [run] = result.counterexample as [Run]
    const error: unknown = result.errorInstance
    t.comment(`--seed ${result.seed} --path ${result.counterexamplePath}`)
    t.comment(describeRun(run))
    if (error instanceof Violation) t.comment(error.trace.join('\n'))
    t.fail(String(error))
  }
  t.ok(done > 0, 'some runs were made')
}

for (const seed of SEEDS) {
  t.test(`SQLite: no run of the model breaks a guarantee (seed ${seed})`, async (t) => {
    await look(t, sqliteFiles(temporaryFolder(t)), { numRuns: 90, seed })
  })
}

t.test('PostgreSQL, two processes: no run of the model breaks a guarantee', async (t) => {
  const openStore = await postgresDatabases(await startPostgres(t), 2)
  await look(t, openStore, { numRuns: 20, seed: Number(SEEDS[1]) })
})
