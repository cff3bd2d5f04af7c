import { Command, type CommanderError } from 'commander'
import { UsageError } from '../base/errors.ts'
import { VERSION } from '../base/version.ts'
import { failureOf } from './failure.ts'
import { addLocalCommands } from './local-commands.ts'
import { addOperatorCommands } from './operator-commands.ts'
import { exitOnClosedOutput, jsonText, note } from './terminal.ts'
import { usageText } from './usage.ts'

/** Commands with a parser of their own, which the sandbox shares with `npm run`. */
const OWN_PARSERS: Record<string, (args: string[]) => Promise<void>> = {
  sandbox: async (args) =>
    (await import('../sandbox/sandbox-command.ts')).sandboxCommand(args, 'curfew sandbox'),
  demo: async (args) => (await import('../sandbox/demo-command.ts')).demoCommand(args, 'curfew demo'),
}

/** Runs the command line, sets the exit code, and reports errors on standard error. */
export async function run(args: string[]): Promise<void> {
  const given = args.length === 0 ? ['serve'] : args
  const [name = ''] = given
  try {
    // The service writes its log without waiting, and survives a closed output.
    if (name !== 'serve') exitOnClosedOutput()
    const own = OWN_PARSERS[name]
    if (own) return await own(given.slice(1))
    await (await buildProgram(name)).parseAsync(given, { from: 'user' })
  } catch (error) {
    if (isShown(error)) return
    const { exitCode, code, message } = failureOf(error)
    note(given.includes('--json') ? jsonText({ error: { code, message, exitCode } }) : message)
    process.exit(exitCode)
  }
}

/** @param name the command that is called: only `completion` and its hidden helper load the library for it */
export async function buildProgram(name = ''): Promise<Command> {
  const program = new Command('curfew')
    .description('Ends the Qlik Cloud access of users who log out. Without a command, it runs the service.')
    .usage('[command] [options]')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this text')
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ helpWidth: 100, showGlobalOptions: false })
    .addHelpText('after', '\nRun "curfew COMMAND --help" for the options and examples of a command.')
  addOperatorCommands(program)
  addLocalCommands(program)
  if (name === 'completion' || name === 'complete') await addCompletion(program)
  throwUsageErrors(program)
  return program
}

/** Prints scripts for shells, and answers the hidden calls of these scripts. */
async function addCompletion(program: Command): Promise<void> {
  const described = program.commands.find((one) => one.name() === 'completion')
  if (described) (program.commands as Command[]).splice(program.commands.indexOf(described), 1)
  const { default: tab } = await import('@bomb.sh/tab/commander')
  tab(program, { completionCommandName: 'completion' })
}

function throwUsageErrors(command: Command): void {
  command.exitOverride((error) => {
    if (isShown(error)) throw error
    throw new UsageError(usageText(error, command))
  })
  for (const one of command.commands) throwUsageErrors(one as Command)
}

/** Help and the version are already printed. */
function isShown(error: unknown): error is CommanderError {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'commander.helpDisplayed' || code === 'commander.version'
}
