import type { Command, CommanderError } from 'commander'

/** The arguments are invalid: what is wrong, then the right form. */
export function usageText(error: CommanderError, command: Command): string {
  const usage = `Usage: ${nameOf(command)} ${command.usage()}`.trimEnd()
  return `${mistakeIn(error, command)}\n\n${usage}\n\nRun "${nameOf(command)} --help" for the options and examples.`
}

function mistakeIn(error: CommanderError, command: Command): string {
  const suggestion = /\n\((Did you mean .*\?)\)$/.exec(error.message)?.[1]
  const hint = suggestion ? ` ${suggestion}` : ''
  switch (error.code) {
    case 'commander.unknownCommand':
      return `Unknown command.${hint} Commands: ${commandsOf(command)}.`
    // The original messages quote arguments, which may be secrets.
    case 'commander.excessArguments':
      return 'Too many arguments.'
    case 'commander.unknownOption':
      return `Unknown option ${/--?[\w-]*/.exec(error.message.replace(/^[^']*'/, ''))?.[0] ?? ''}.${hint}`
    case 'commander.help':
      return `A command is missing. Commands: ${commandsOf(command)}.`
    default:
      return sentence(error.message.replace(/^error: /, ''))
  }
}

function commandsOf(command: Command): string {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((one) => one.name())
    .filter((name) => name !== 'help')
    .join(', ')
}

/** `curfew keys new` */
export function nameOf(command: Command): string {
  const names: string[] = []
  for (let one: Command | null = command; one; one = one.parent) names.unshift(one.name())
  return names.join(' ')
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.?!]$/.test(capital) ? capital : `${capital}.`
}
