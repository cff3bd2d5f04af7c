import fc from 'fast-check'
import { type Command, describeCommand } from './commands.ts'
import type { OpenModelStore } from './model-store.ts'
import { anyRun, execute, type Run, type RunSummary } from './run.ts'
import { Violation } from './violation.ts'

export interface SearchOptions {
  runs: number
  seed: number
  /** Of a counterexample that was found before with the same seed: goes there at once. */
  path?: string | undefined
  openStore: OpenModelStore
  /** Kinds of commands that are left out. */
  without?: readonly string[]
  /** No run begins later than this, in ms. */
  timeLimitMs?: number
  /** Called after each run, of those that shrink a counterexample, too. */
  onRun?: (summary: RunSummary) => void
}

/** A run in which a guarantee did not hold, as short as it could be made. */
export interface Counterexample {
  run: Run
  error: unknown
  seed: number
  path: string
  /** Which run found it. */
  foundAfter: number
}

/** Makes runs until one shows that a guarantee does not hold, and makes that one shorter; null where none does. */
export async function search(options: SearchOptions): Promise<Counterexample | null> {
  const { runs, seed, path, openStore, without = [], timeLimitMs, onRun = () => {} } = options
  const withLeftOut = ({ setup, commands }: Run): Run => ({
    setup,
    commands: commands.filter(({ kind }) => !without.includes(kind)),
  })
  const property = fc.asyncProperty(anyRun, async (run) => onRun(await execute(withLeftOut(run), openStore)))
  const result = await fc.check(property, {
    ...{ numRuns: runs, seed },
    ...(path === undefined ? {} : { path }),
    ...(timeLimitMs === undefined ? {} : { interruptAfterTimeLimit: timeLimitMs }),
  })
  const run = result.counterexample?.[0]
  if (!result.failed || !run) return null
  return {
    run: withLeftOut(run),
    error: result.errorInstance,
    seed: result.seed,
    path: result.counterexamplePath ?? '',
    foundAfter: result.numRuns,
  }
}

/** A counterexample for people to read: what has to happen, what happened, and which guarantee did not hold. */
export function describe({ run, error, seed, path, foundAfter }: Counterexample): string {
  const { setup, commands } = run
  return [
    `Run ${foundAfter} shows that a guarantee does not hold: --seed ${seed} --path ${path}`,
    JSON.stringify(setup),
    ...commands.map((command: Command) => `  ${describeCommand(command)}`),
    ...(error instanceof Violation ? ['What happened:', ...error.trace] : []),
    error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error),
  ].join('\n')
}
