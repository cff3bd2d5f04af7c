import { globSync } from 'node:fs'
import type { Command } from 'commander'
import t from 'tap'
import { buildProgram } from '../../src/cli/program.ts'
import { readArguments } from '../../src/sandbox/arguments.ts'
import { readDemoArguments } from '../../src/sandbox/demo-arguments.ts'
import { ROOT, read } from '../support/deployment.ts'

const PAGES = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'examples/**/*.md'], { cwd: ROOT })

/** The code of a page: blocks with continued lines joined, and code within sentences. */
function codeIn(page: string): string[] {
  const text = read(page)
  const blocks = [...text.matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```/gm)]
  const lines = blocks.flatMap(([, , code = '']) => code.replaceAll(/\\\n\s*/g, '').split('\n'))
  const spans = [...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, code = '']) => code,
  )
  return [...lines, ...spans]
}

/** The arguments of each call of Curfew in a line; what a shell does with their output is left out. */
function callsIn(line: string): string[][] {
  const calls = line.matchAll(
    /(?:^|[;|&$] ?|\bnpx )\s*(?:\w+=\S* )*(?:curfew|(?:node )?(?:--\S+ )*src\/main\.ts) ([^;|&<>#…]*)/g,
  )
  return [...calls].map(([, args = '']) => args.trim().split(/\s+/))
}

/** A placeholder, and what a function of a shell passes on. */
const NO_CALL = /^(COMMAND|"\$@")/

const parsers: Record<string, (args: string[]) => unknown> = {
  sandbox: (args) => (['send', 'rotate'].includes(args[0] ?? '') ? null : readArguments(args)),
  demo: readDemoArguments,
}

t.test('every call of curfew in the documentation has valid arguments', async (t) => {
  const program = await buildProgram()
  const found = new Set<string>()
  for (const page of PAGES)
    for (const args of codeIn(page).flatMap(callsIn)) {
      const [name = ''] = args
      if (NO_CALL.test(name)) continue
      found.add(name)
      const parse = parsers[name] ?? parseOnly
      // Only the name of a command, in a sentence.
      if (args.every((word) => /^[a-z][a-z-]*$/.test(word)) && isCommand(program, args)) continue
      await t.resolves(
        async () => parse(args.slice(parse === parseOnly ? 0 : 1)),
        `${page}: curfew ${args.join(' ')}`,
      )
    }
  const names = program.commands
    .filter((one) => !(one as Command & { _hidden: boolean })._hidden)
    .map((one) => one.name())
  t.same(
    names.filter((name) => !found.has(name)),
    [],
    'each command is in the documentation',
  )
})

function isCommand(parent: Command, [name, ...others]: string[]): boolean {
  if (name === undefined) return true
  const command = parent.commands.find((one) => one.name() === name)
  return command !== undefined && isCommand(command as Command, others)
}

async function parseOnly(args: string[]): Promise<void> {
  const program = await buildProgram()
  silence(program)
  await program.parseAsync(args, { from: 'user' }).catch((error) => {
    if (!/^commander\.(helpDisplayed|version)$/.test(error.code)) throw error
  })
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => {} })
  // Commands with commands of their own need not have an action.
  if (command.commands.length === 0 || command.options.length > 0) command.action(() => {})
  for (const one of command.commands) silence(one as Command)
}
