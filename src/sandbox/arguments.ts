import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { type Behaviour, behaviourSchema } from './behaviour.ts'
import type { SandboxOptions } from './options.ts'

/** What `npm run sandbox` was asked for. */
export interface SandboxArguments {
  help: boolean
  /** Whether to make the three people. The client is there in any case. */
  seed: boolean
  clientId: string
  clientSecret: string
  sandbox: SandboxOptions
}

/** A mistake on the command line, in words for the one who made it. */
export class UsageError extends Error {}

const OPTIONS = {
  port: { type: 'string', default: '4848' },
  host: { type: 'string', default: '127.0.0.1' },
  latency: { type: 'string', default: '0' },
  tier1: { type: 'string', default: '5000' },
  tier2: { type: 'string', default: '500' },
  window: { type: 'string', default: '300000' },
  'client-id': { type: 'string', default: 'curfew' },
  'client-secret': { type: 'string' },
  'client-secret-file': { type: 'string' },
  set: { type: 'string', multiple: true, default: [] as string[] },
  seed: { type: 'boolean', default: true },
  help: { type: 'boolean', default: false },
} as const

/** Reads the command line. Throws a `UsageError` for what cannot be meant. */
export function readArguments(args: string[]): SandboxArguments {
  const values = parse(args)
  return {
    help: values.help,
    seed: values.seed,
    clientId: values['client-id'],
    clientSecret: readSecret(values['client-secret'], values['client-secret-file']),
    sandbox: {
      control: true,
      host: values.host,
      port: readNumber('port', values.port, 0, 65_535),
      latencyMs: readNumber('latency', values.latency, 0, 600_000),
      tier1Limit: readNumber('tier1', values.tier1, 1),
      tier2Limit: readNumber('tier2', values.tier2, 1),
      windowMs: readNumber('window', values.window, 1),
      ...readSettings(values.set),
    },
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowNegative: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function readNumber(name: string, value: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= least && number <= most) return number
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`
  throw new UsageError(`--${name} takes a whole number, ${range}; it was "${value}"`)
}

/** Settings as `name=value`; a value is JSON, or else a text. */
function readSettings(given: string[]): Partial<Behaviour> {
  const pairs = given.map((pair) => {
    const [name = '', ...value] = pair.split('=')
    return [name, readValue(value.join('='))]
  })
  const { data, error } = behaviourSchema.partial().safeParse(Object.fromEntries(pairs))
  if (error) throw new UsageError(`--set: ${z.prettifyError(error)}`)
  return data
}

function readValue(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

function readSecret(secret?: string, path?: string): string {
  if (secret !== undefined && path !== undefined) {
    throw new UsageError('--client-secret and --client-secret-file exclude each other')
  }
  const found = path === undefined ? (secret ?? 'sandbox-secret') : readFile(path)
  if (found === '') throw new UsageError('the client secret is empty')
  return found
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--client-secret-file: ${error instanceof Error ? error.message : error}`)
  }
}
