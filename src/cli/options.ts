import { type Command, InvalidArgumentError, Option } from 'commander'
import { UsageError } from '../base/errors.ts'

/** `--json`, which every command has. */
export function json(): Option {
  return new Option('--json', 'print JSON')
}

/** The options of commands that call a running service. */
export function onService(command: Command): Command {
  return command
    .addOption(json())
    .addOption(new Option('--profile <file>', 'read CURFEW_URL and CURFEW_API_KEY from this file'))
}

/** The environment of the service, for commands that read its configuration. */
export function env(): Option {
  return new Option(
    '--env <file>',
    'read environment variables from this file, such as .env; those that are set win',
  )
}

export function wholeNumber(least: number, most: number) {
  return (text: string): number => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  }
}

export function examples(command: Command, lines: readonly string[], note = ''): Command {
  const list = lines.map((line) => `  $ ${line}`).join('\n')
  return command.addHelpText('after', `\nExamples:\n${list}${note ? `\n\n${note}` : ''}`)
}

/** Variables that are already set win, as with Node's own option. */
export function loadEnvironment(file: string | undefined): void {
  if (file === undefined) return
  try {
    process.loadEnvFile(file)
  } catch (error) {
    throw new UsageError(
      `The file of --env cannot be read: ${error instanceof Error ? error.message : error}.`,
    )
  }
}
