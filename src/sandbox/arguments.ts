import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { FORMATS } from '../base/config-formats.ts'
import { UsageError } from '../base/errors.ts'
import { type Behaviour, behaviourSchema } from './behaviour.ts'
import { PublicKey } from './client-assertion.ts'
import { MAX_SECRETS } from './client-credentials.ts'
import type { IdentityProviderOptions } from './identity-provider/identity-provider.ts'
import type { SandboxOptions } from './options.ts'
import { readPairs } from './pairs.ts'

/** The command line of `npm run sandbox`. */
export interface SandboxArguments {
  help: boolean
  /** Whether to create the three users. The client is always created. */
  seed: boolean
  clientId: string
  clientSecrets: string[]
  clientPublicKeys: PublicKey[]
  sandbox: SandboxOptions
  /** Null: without an identity provider. */
  provider: IdentityProviderOptions | null
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
  idp: { type: 'boolean', default: true },
  'idp-port': { type: 'string' },
  'source-secret': { type: 'string' },
  curfew: { type: 'string' },
  set: { type: 'string', multiple: true, default: [] as string[] },
  seed: { type: 'boolean', default: true },
  help: { type: 'boolean', default: false },
} as const

/** Reads the command line. Throws a `UsageError` if it is invalid. */
export function readArguments(args: string[]): SandboxArguments {
  const values = parse(args)
  const port = readNumber('port', values.port, 0, 65_535)
  return {
    help: values.help,
    seed: values.seed,
    clientId: values['client-id'],
    clientSecrets: readSecrets(values['client-secret'], values['client-secret-file']),
    clientPublicKeys: (values['client-public-key-file'] ?? []).map(readPublicKey),
    sandbox: {
      control: true,
      host: values.host,
      port,
      latencyMs: readNumber('latency', values.latency, 0, 600_000),
      tier1Limit: readNumber('tier1', values.tier1, 1),
      tier2Limit: readNumber('tier2', values.tier2, 1),
      windowMs: readNumber('window', values.window, 1),
      ...readSettings(values.set),
    },
    provider: values.idp ? readProvider(values, port) : null,
  }
}

function readProvider(values: ReturnType<typeof parse>, port: number): IdentityProviderOptions {
  const { host, curfew, 'idp-port': own, 'source-secret': secret } = values
  if (secret !== undefined && !FORMATS.webhookSecret.isValid(secret))
    throw new UsageError(`--source-secret: ${FORMATS.webhookSecret.expected}`)
  if (curfew !== undefined && !URL.canParse(curfew))
    throw new UsageError('--curfew: expected a URL, such as http://127.0.0.1:3000')
  return {
    host,
    port: own === undefined ? portAfter(port) : readNumber('idp-port', own, 0, 65_535),
    ...(secret === undefined ? {} : { secret }),
    ...(curfew === undefined ? {} : { curfew }),
  }
}

/** The next port; 0, any free port, after 0 and after the last one. */
function portAfter(port: number): number {
  return port === 0 || port === 65_535 ? 0 : port + 1
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

function readSettings(given: string[]): Partial<Behaviour> {
  const { data, error } = behaviourSchema.partial().safeParse(readPairs(given))
  if (error) throw new UsageError(`--set: ${z.prettifyError(error)}`)
  return data
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
