import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { EXIT_MEANINGS } from '../src/cli/exit-codes.ts'
import { buildProgram } from '../src/cli/program.ts'
import { nameOf } from '../src/cli/usage.ts'
import { demoHelp } from '../src/sandbox/demo-arguments.ts'
import { USAGE } from '../src/sandbox/usage.ts'

/** `npm run cli-reference` writes the help of all commands to this page. A test checks that they are equal. */
const PAGE = join(import.meta.dirname, '../docs/reference/cli.md')
const MARKER = '<!-- Below: npm run cli-reference -->'

/** The page with the help of the current commands. */
export async function completePage(page: string): Promise<string> {
  const written = page.slice(0, page.indexOf(MARKER) + MARKER.length)
  const program = await buildProgram()
  const codes = EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |`).join('\n')
  const sections = commandsIn(program).map((command) => {
    const help = helpOf(command)
    return `### ${nameOf(command)}\n\n\`\`\`text\n${help}\n\`\`\``
  })
  return `${written}\n\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n${codes}\n\n## Commands\n\n${sections.join('\n\n')}\n`
}

/** Commands that do something, with their subcommands. */
function commandsIn(parent: Command): Command[] {
  const visible = parent.createHelp().visibleCommands(parent) as Command[]
  return visible
    .filter((one) => one.name() !== 'help')
    .flatMap((one) =>
      one.commands.length > 0 && !isRunnable(one) ? commandsIn(one) : [one, ...commandsIn(one)],
    )
}

function isRunnable(command: Command): boolean {
  return command.options.length > 0
}

/** The sandbox and the demo print their own help. */
const OWN_HELP: Record<string, string> = {
  sandbox: USAGE.replaceAll('npm run sandbox --', 'curfew sandbox'),
  demo: demoHelp('curfew demo'),
}

function helpOf(command: Command): string {
  const own = OWN_HELP[command.name()]
  if (own) return own.trimEnd()
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  return text.trimEnd()
}

if (import.meta.main) writeFileSync(PAGE, await completePage(readFileSync(PAGE, 'utf8')))
