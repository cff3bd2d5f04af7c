import fc from 'fast-check'
import { type Command, describeCommand } from './commands.ts'
import type { OpenModelStore } from './model-store.ts'
import { anyRun, execute, type Run, type RunSummary } from './run.ts'
import { Violation } from './violation.ts'

export interface SearchOptions {
  runs: number
  seed: number
  /** Path of an earlier counterexample with the same seed, to start from. */
  path?: string | undefined
  openStore: OpenModelStore
  /** Kinds of commands to leave out. */
  without?: readonly string[]
  /** Time after which no run starts, in ms. */
  timeLimitMs?: number
  /** Called after each run, including those that shrink a counterexample. */
  onRun?: (summary: RunSummary) => void
}

/** A run that violates a guarantee, shrunk as far as possible. */
export interface Counterexample {
  run: Run
  error: unknown
  seed: number
  path: string
  /** Number of the run that found it. */
  foundAfter: number
}

/** Executes runs until one violates a guarantee, and shrinks it; null if none does. */
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

/** A counterexample in readable form: the commands, what happened, and the violated guarantee. */
export function describe({ run, error, seed, path, foundAfter }: Counterexample): string {
  const { setup, commands } = run
  return [
    `Run ${foundAfter} violates a guarantee: --seed ${seed} --path ${path}`,
    JSON.stringify(setup),
    ...commands.map((command: Command) => `  ${describeCommand(command)}`),
    ...(error instanceof Violation ? ['What happened:', ...error.trace] : []),
    error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error),
  ].join('\n')
}
