import fc from 'fast-check'
import { Actions } from './actions.ts'
import { anyCommand, type Command } from './commands.ts'
import { end } from './ending.ts'
import type { OpenModelStore } from './model-store.ts'
import { anySetup, type Setup } from './setup.ts'
import { Violation } from './violation.ts'
import { World } from './world.ts'

/** Several lists, because most lists are short. */
const someCommands = fc.array(anyCommand, { maxLength: 20, size: 'max' })

export interface Run {
  setup: Setup
  commands: Command[]
}

export const anyRun: fc.Arbitrary<Run> = fc.record({
  setup: anySetup,
  commands: fc.tuple(someCommands, someCommands, someCommands).map((lists) => lists.flat()),
})

/** Summary of a run. */
export interface RunSummary {
  signals: number
  tokens: number
  calls: number
  verified: number
}

/**
 * Executes a run.
 * @throws Violation if a guarantee is violated
 */
export async function execute({ setup, commands }: Run, openStore: OpenModelStore): Promise<RunSummary> {
  const world = await World.open(setup, openStore)
  const actions = new Actions(world)
  try {
    for (const [index, command] of commands.entries()) {
      await actions.perform(command)
      // A crash may occur before any response.
      if (commands[index + 1]?.kind !== 'crash') await world.pass(0)
    }
    await world.pass(0)
    await end(world)
    return {
      signals: world.oracle.sents.length,
      tokens: world.tenant.tokens.length,
      calls: [...world.watch.counts.values()].reduce((sum, count) => sum + count, 0),
      verified: [...world.revocations.values()].filter(({ verified }) => verified).length,
    }
  } catch (error) {
    if (error instanceof Violation) error.trace = world.trace
    throw error
  } finally {
    await world.close()
  }
}
