import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { UsageError } from '../base/errors.ts'
import { type Behaviour, behaviourSchema } from './behaviour.ts'
import { PublicKey } from './client-assertion.ts'
import { MAX_SECRETS } from './client-credentials.ts'
import type { SandboxOptions } from './options.ts'

/** The command line of `npm run sandbox`. */
export interface SandboxArguments {
  help: boolean
  /** Whether to create the three users. The client is always created. */
  seed: boolean
  clientId: string
  clientSecrets: string[]
  clientPublicKeys: PublicKey[]
  sandbox: SandboxOptions
}

const OPTIONS = {
  port: { type: 'string', default: '4848' },
  host: { type: 'string', default: '127.0.0.1' },
  latency: { type: 'string', default: '0' },
  tier1: { type: 'string', default: '5000' },
  tier2: { type: 'string', default: '500' },
  window: { type: 'string', default: '300000' },
  'client-id': { type: 'string', default: 'curfew' },
  'client-secret': { type: 'string', multiple: true },
  'client-secret-file': { type: 'string', multiple: true },
  'client-public-key-file': { type: 'string', multiple: true },
  set: { type: 'string', multiple: true, default: [] as string[] },
  seed: { type: 'boolean', default: true },
  help: { type: 'boolean', default: false },
} as const

/** Reads the command line. Throws a `UsageError` if it is invalid. */
export function readArguments(args: string[]): SandboxArguments {
  const values = parse(args)
  return {
    help: values.help,
    seed: values.seed,
    clientId: values['client-id'],
    clientSecrets: readSecrets(values['client-secret'], values['client-secret-file']),
    clientPublicKeys: (values['client-public-key-file'] ?? []).map(readPublicKey),
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
  throw new UsageError(`--${name}: expected a whole number, ${range}; got "${value}"`)
}

/** Settings as `name=value`. A value that is not JSON is a string. */
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

function readSecrets(secrets?: string[], paths?: string[]): string[] {
  if (secrets !== undefined && paths !== undefined) {
    throw new UsageError('expected --client-secret or --client-secret-file, not both')
  }
  const found = paths?.map((path) => readFile('client-secret-file', path)) ?? secrets ?? ['sandbox-secret']
  if (found.includes('')) throw new UsageError('the client secret is empty')
  if (found.length > MAX_SECRETS) throw new UsageError(`a client can have up to ${MAX_SECRETS} secrets`)
  return found
}

function readPublicKey(path: string): PublicKey {
  const text = readFile('client-public-key-file', path)
  const { data } = PublicKey.safeParse(toJwk(text))
  if (data) return data
  throw new UsageError(
    '--client-public-key-file: expected a public key as PEM or JWK: RSA with at least 2048 bits, or EC on P-384',
  )
}

function toJwk(text: string): unknown {
  try {
    return text.startsWith('{') ? JSON.parse(text) : createPublicKey(text).export({ format: 'jwk' })
  } catch {
    // Neither JSON nor PEM: the caller reports it.
    return null
  }
}

function readFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--${name}: ${error instanceof Error ? error.message : error}`)
  }
}
