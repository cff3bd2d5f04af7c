import { createInterface } from 'node:readline/promises'
import { CommandError } from './command-error.ts'
import { EXIT } from './exit-codes.ts'
import { isInteractive } from './terminal.ts'

/**
 * Asks before something that cannot be undone.
 * @throws CommandError if the answer is no, or nobody can answer
 */
export async function confirm(
  question: string,
  { yes = false }: { yes?: boolean | undefined },
): Promise<void> {
  if (yes) return
  if (!isInteractive())
    throw new CommandError(`${question} Confirm with --yes: standard input is not a terminal.`, EXIT.usage)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    // Rejects after Ctrl-C or Ctrl-D.
    const answer = await lines.question(`${question} [y/N] `).catch(() => null)
    if (answer === null) throw new CommandError('\nNothing was done.', EXIT.interrupted)
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('Nothing was done.', EXIT.no)
  } finally {
    lines.close()
  }
}
