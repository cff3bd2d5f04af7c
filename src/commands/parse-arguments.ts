import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from '../base/errors.ts'

/**
 * The arguments of a command. The message of an error does not quote them, because an argument may be a secret.
 * @throws UsageError
 */
export function parseArguments<Config extends ParseArgsConfig>(config: Config, help: string) {
  try {
    return parseArgs(config)
  } catch {
    throw new UsageError(`Invalid arguments.\n\n${help}`)
  }
}
