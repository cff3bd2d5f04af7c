import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { UsageError } from '../base/errors.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printJson } from '../cli/terminal.ts'
import { ConfigError, loadConfig } from '../config/load-config.ts'
import { parts } from '../parts.ts'

/**
 * The command `check-config`: every mistake, not only the first 50. Sets the exit code 78 if there are any.
 * @param file a CONFIG_FILE, or a file of environment variables; by default what the environment names
 * @throws UsageError if the file cannot be read
 */
export async function checkConfigCommand(
  file: string | undefined,
  { json }: { json?: boolean },
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const variables = file === undefined ? environment : { ...variablesIn(file), ...given(environment, file) }
  const { mistakes, warnings } = await findings(variables)
  if (mistakes.length > 0) process.exitCode = EXIT.config
  if (json) return printJson({ valid: mistakes.length === 0, mistakes, warnings })
  for (const { key, expected } of mistakes) print(`${key}: ${expected}`)
  for (const { key, expected } of warnings) print(`warning: ${key}: ${expected}`)
  if (mistakes.length === 0)
    print(`The configuration is valid${warnings.length > 0 ? ', with warnings' : ''}.`)
  else print(`The configuration is invalid: ${count(mistakes.length, 'mistake')}.`)
}

async function findings(variables: NodeJS.ProcessEnv) {
  try {
    const { warnings } = await loadConfig(variables, parts.sources)
    return { mistakes: [], warnings }
  } catch (error) {
    if (error instanceof ConfigError) return { mistakes: error.mistakes, warnings: [] }
    throw error
  }
}

/** A JSON file is a CONFIG_FILE, any other the environment. */
function variablesIn(file: string): NodeJS.ProcessEnv {
  const text = read(file)
  return isConfigFile(file, text) ? { CONFIG_FILE: file } : parseEnv(text)
}

/** Variables that are set win over those of a file, but a CONFIG_FILE that is named wins over the variable. */
function given(environment: NodeJS.ProcessEnv, file: string): NodeJS.ProcessEnv {
  if (!isConfigFile(file, read(file))) return environment
  const { CONFIG_FILE: _, ...others } = environment
  return others
}

function isConfigFile(file: string, text: string): boolean {
  return file.endsWith('.json') || /^\s*[{[]/.test(text)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`The file cannot be read: ${error instanceof Error ? error.message : error}.`)
  }
}
