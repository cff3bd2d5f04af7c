import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { startOwnPostgres } from '../support/postgres.ts'
import { postgresDatabases } from './postgres-databases.ts'
import { anyRun, describeRun, execute, type Run } from './run.ts'
import { sqliteFiles } from './sqlite-files.ts'
import { Violation } from './violation.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string' },
    path: { type: 'string' },
    store: { type: 'string', default: 'sqlite' },
    /** Of PostgreSQL: how many processes share a database. */
    processes: { type: 'string', default: '2' },
    /** Kinds of commands to leave out. */
    without: { type: 'string', multiple: true, default: [] },
  },
})

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'curfew-model-'))
const runs = Number(values.runs)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
console.log(`${runs} runs, seed ${seed}`)
let done = 0
const totals = { signals: 0, tokens: 0, calls: 0, verified: 0 }
const beganAt = performance.now()
const teardowns: (() => unknown)[] = []
const openStore =
  values.store === 'postgres'
    ? await postgresDatabases(
        await startOwnPostgres({ teardown: (end) => teardowns.push(end) }),
        Number(values.processes),
      )
    : sqliteFiles(folder)
const result = await fc.check(
  fc.asyncProperty(anyRun, async ({ setup, commands }) => {
    const wanted = commands.filter(({ kind }) => !values.without.includes(kind))
    const summary = await execute({ setup, commands: wanted }, openStore)
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += summary[name]
    done += 1
    if (done % 100 === 0)
      console.log(
        `${done} runs, ${((performance.now() - beganAt) / 1000).toFixed(0)} s, ${JSON.stringify(totals)}`,
      )
  }),
  { numRuns: runs, seed, ...(values.path === undefined ? {} : { path: values.path }), endOnFailure: false },
)
console.log(`${done} runs, ${((performance.now() - beganAt) / 1000).toFixed(0)} s, ${JSON.stringify(totals)}`)
if (result.failed) {
  const [run] = result.counterexample as [Run]
  const error: unknown = result.errorInstance
  console.log(
    `found after ${result.numRuns} runs, shrunk ${result.numShrinks} times; --seed ${result.seed} --path ${result.counterexamplePath}`,
  )
  console.log(describeRun(run))
  if (error instanceof Violation) {
    console.log(error.trace.join('\n'))
    console.log(error.message)
  } else console.log(error)
  process.exitCode = 1
}
for (const end of teardowns) await end()
rmSync(folder, { recursive: true, force: true })
