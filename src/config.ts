import { readFileSync } from 'node:fs'
import fastifyEnv from '@fastify/env'
import Fastify from 'fastify'
import { z } from 'zod'
import { isApiKey, isDatabaseUrl, isTenantUrl, isWebhookSecret, split } from './config-forms.ts'
import { CurfewError } from './errors.ts'

const list = (what: string, isGood: (item: string) => boolean) =>
  z.string().refine((text) => split(text).every(isGood), `expected ${what}, separated by commas`)

/**
 * The environment, key by key: meaning, default and reason. `.env.example` holds the same keys (a test holds
 * both equal). Every key in `SECRETS` can also be given as `…_FILE`, the path of a file that holds it.
 */
export const Environment = z.object({
  /** Address to listen on. Loopback by default: nothing is open to the network until it is said. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Port to listen on; 0 takes a free one. */
  PORT: z.int().min(0).max(65_535).default(3_000),
  /** Least severe level that is logged. At `info` there is one line for each revocation that ends. */
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** The Qlik Cloud tenant, `https://tenant.region.qlikcloud.com`. Plain http is for loopback only. */
  QLIK_TENANT_URL: z
    .string()
    .refine(isTenantUrl, 'expected https://<host>, without a path (http on loopback only)'),
  /** Id of the machine-to-machine OAuth client. */
  QLIK_CLIENT_ID: z.string().min(1),
  /** Its secret. */
  QLIK_CLIENT_SECRET: z.string().min(1),
  /** Scope of the access token. Revoking other users' tokens takes admin_classic. */
  QLIK_SCOPE: z.string().min(1).default('admin_classic'),
  /** Reads per window. Qlik allows 1,000 a minute, counted over 5 minutes. */
  QLIK_TIER1_LIMIT: z.int().min(1).max(1_000_000).default(5_000),
  /** Revocations (and requests for an access token) per window. Qlik allows 100 a minute, over 5 minutes. */
  QLIK_TIER2_LIMIT: z.int().min(2).max(1_000_000).default(500),
  /** The window of Qlik's limits in ms. Shorter only against the sandbox. */
  QLIK_RATE_WINDOW_MS: z.int().min(100).max(86_400_000).default(300_000),
  /** Longest a single call to Qlik may take in ms, and each of its phases. */
  QLIK_TIMEOUT_MS: z.int().min(100).max(300_000).default(10_000),
  /** Revoking calls in flight per tenant. 16 empty the budget of 500 in seconds without flooding the tenant. */
  REVOKE_CONCURRENCY: z.int().min(1).max(128).default(16),
  /** Secrets of webhook senders (Standard Webhooks): one or more, so that they can be rotated. */
  WEBHOOK_SECRETS: list('whsec_ and 24 to 64 bytes in base64', isWebhookSecret).default(''),
  /** API keys: one or more, so that they can be rotated. Long, as they are all that protects the routes. */
  API_KEYS: list('at least 24 printable characters without spaces', isApiKey).default(''),
  /** Where revocations are kept: one file, for one process and without a server; or PostgreSQL, for several. */
  DATABASE_URL: z
    .string()
    .refine(
      isDatabaseUrl,
      'expected sqlite:<path of a file> or postgres://<user>:<password>@<host>/<database>',
    )
    .default('sqlite:./data/curfew.db'),
  /** Connections to PostgreSQL at most, and one that listens. All replicas together must fit into the server's. */
  DATABASE_CONNECTIONS: z.int().min(2).max(100).default(10),
  /** How long finished revocations are kept, in days. */
  RETENTION_DAYS: z.int().min(1).max(3_650).default(30),
  /**
   * How long a shutdown waits before it stops listening, in ms: not ready, but serving, so that a proxy or
   * Kubernetes can take the replica out first. A process that stands alone has nobody to wait for.
   */
  SHUTDOWN_DRAIN_MS: z.int().min(0).max(600_000).default(0),
  /** How long a shutdown may take after that in ms. Give the container longer than this: plain Docker kills after 10 s, too. */
  SHUTDOWN_GRACE_MS: z.int().min(100).max(600_000).default(10_000),
})
type Environment = z.infer<typeof Environment>

export const SECRETS = ['QLIK_CLIENT_SECRET', 'WEBHOOK_SECRETS', 'API_KEYS', 'DATABASE_URL'] as const

export interface TenantConfig {
  name: string
  /** `https://host[:port]` */
  origin: string
  clientId: string
  clientSecret: string
  scope: string
  tier1Limit: number
  tier2Limit: number
  windowMs: number
  timeoutMs: number
  concurrency: number
}

export interface Config {
  host: string
  port: number
  logLevel: Environment['LOG_LEVEL']
  /** At least one; the first is the one that a signal means when it names none. */
  tenants: [TenantConfig, ...TenantConfig[]]
  webhookSecrets: string[]
  apiKeys: string[]
  databaseUrl: string
  databaseConnections: number
  retentionDays: number
  shutdownDrainMs: number
  shutdownGraceMs: number
}

/** One key that is not usable, and what was expected. Never holds the value. */
export interface Mistake {
  key: string
  expected: string
}

/** All that is wrong with the configuration, at once. */
export class ConfigError extends CurfewError {
  readonly mistakes: Mistake[]

  constructor(mistakes: Mistake[]) {
    const lines = mistakes.map(({ key, expected }) => `  ${key}: ${expected}`)
    super('CURFEW_CONFIG_INVALID', `The configuration is not usable:\n${lines.join('\n')}`)
    this.mistakes = mistakes
  }
}

/**
 * Reads the configuration from an environment.
 * @throws ConfigError with every mistake
 */
export async function loadConfig(environment: Record<string, string | undefined>): Promise<Config> {
  const { given, fileMistakes } = withSecretFiles(environment)
  const { values, mistakes } = await check(given)
  // A secret whose file is wrong is told once, not as missing, too.
  const toldKeys = fileMistakes.map(({ key }) => key.replace(/_FILE$/, ''))
  const all = [
    ...fileMistakes,
    ...mistakes.filter(({ key }) => !toldKeys.includes(key)),
    ...(fileMistakes.length === 0 ? missingSenders(given) : []),
    ...unsupported(environment),
  ]
  if (all.length > 0) throw new ConfigError(all)
  return toConfig(Environment.parse(values))
}

/** What a command needs that works on the store alone. */
export interface StoreConfig {
  databaseUrl: string
  /** How long a call to Qlik Cloud may take, and how long it counts after that, in ms. */
  timeoutMs: number
  windowMs: number
}

const StoreEnvironment = Environment.pick({
  DATABASE_URL: true,
  QLIK_TIMEOUT_MS: true,
  QLIK_RATE_WINDOW_MS: true,
})

/**
 * Reads what a command needs that works on the store alone; whatever else is in the environment is not looked at.
 * @throws ConfigError with every mistake
 */
export async function loadStoreConfig(environment: Record<string, string | undefined>): Promise<StoreConfig> {
  const keys = [...StoreEnvironment.keyof().options, 'DATABASE_URL_FILE']
  const { given, fileMistakes } = withSecretFiles(
    Object.fromEntries(keys.map((key) => [key, environment[key]])),
  )
  const { values, mistakes } = await coerce(StoreEnvironment, given)
  const all = [
    ...fileMistakes,
    ...mistakes,
    ...(mistakes.length === 0 ? issuesOf(StoreEnvironment, values) : []),
  ]
  if (all.length > 0) throw new ConfigError(all)
  const { DATABASE_URL, QLIK_TIMEOUT_MS, QLIK_RATE_WINDOW_MS } = StoreEnvironment.parse(values)
  return { databaseUrl: DATABASE_URL, timeoutMs: QLIK_TIMEOUT_MS, windowMs: QLIK_RATE_WINDOW_MS }
}

type Given = Partial<Record<keyof Environment, string>>

/** The keys that are set, secrets read from their files where they are given as such. */
function withSecretFiles(environment: Record<string, string | undefined>): {
  given: Given
  fileMistakes: Mistake[]
} {
  const given: Given = {}
  const fileMistakes: Mistake[] = []
  for (const key of Environment.keyof().options) {
    // An empty value is what an unset variable becomes in a compose file.
    if (environment[key]) given[key] = environment[key]
  }
  for (const key of SECRETS) {
    const path = environment[`${key}_FILE`]
    if (!path) continue
    if (given[key] !== undefined)
      fileMistakes.push({ key, expected: `either ${key} or ${key}_FILE, not both` })
    try {
      given[key] = readFileSync(path, 'utf8').trim()
    } catch {
      // The reason may hold the path, which may be anything; the key is enough to find it.
      fileMistakes.push({ key: `${key}_FILE`, expected: 'the path of a readable file' })
    }
  }
  return { given, fileMistakes }
}

type Checked = { values: Record<string, unknown>; mistakes: Mistake[] }

/** Coerces by @fastify/env, then checks by zod. What cannot be coerced is left out, so that it hides no other mistake. */
async function check(given: Given): Promise<Checked> {
  const first = await coerce(Environment, given)
  if (first.mistakes.length === 0)
    return { values: first.values, mistakes: issuesOf(Environment, first.values) }
  const wrong = first.mistakes.map(({ key }) => key)
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !wrong.includes(key)))
  const second = await coerce(Environment.partial(), rest)
  return { values: {}, mistakes: [...first.mistakes, ...issuesOf(Environment.partial(), second.values)] }
}

interface AjvError {
  instancePath: string
  message?: string
  params: { missingProperty?: string; allowedValues?: string[] }
}

async function coerce(schema: z.ZodObject, data: Given): Promise<Checked> {
  const app = Fastify()
  const jsonSchema = z.toJSONSchema(schema, { target: 'draft-7', io: 'output' })
  try {
    await app.register(fastifyEnv, { schema: jsonSchema, data, env: false })
    return { values: app.getEnvs<Record<string, unknown>>(), mistakes: [] }
  } catch (error) {
    if (!(error instanceof Error && 'errors' in error && Array.isArray(error.errors))) throw error
    return { values: {}, mistakes: error.errors.map(mistakeOf) }
  } finally {
    await app.close()
  }
}

function mistakeOf({ instancePath, message, params }: AjvError): Mistake {
  if (params.missingProperty) return { key: params.missingProperty, expected: 'must be set' }
  const allowed = params.allowedValues ? `: ${params.allowedValues.join(', ')}` : ''
  return { key: instancePath.slice(1), expected: `${message ?? 'is not usable'}${allowed}` }
}

function issuesOf(schema: z.ZodObject, values: unknown): Mistake[] {
  const issues = schema.safeParse(values).error?.issues ?? []
  return issues.map(({ path, message }) => ({ key: String(path[0]), expected: message }))
}

function missingSenders({ WEBHOOK_SECRETS, API_KEYS }: Given): Mistake[] {
  if ([WEBHOOK_SECRETS, API_KEYS].some((text) => split(text ?? '').length > 0)) return []
  return [
    {
      key: 'WEBHOOK_SECRETS or API_KEYS',
      expected: 'at least one must be set, or nobody could send a signal',
    },
  ]
}

function unsupported({ CONFIG_FILE }: Record<string, string | undefined>): Mistake[] {
  return CONFIG_FILE ? [{ key: 'CONFIG_FILE', expected: 'not supported by this version; leave it out' }] : []
}

function toConfig(values: Environment): Config {
  return {
    host: values.HOST,
    port: values.PORT,
    logLevel: values.LOG_LEVEL,
    tenants: [
      {
        name: 'default',
        origin: new URL(values.QLIK_TENANT_URL).origin,
        clientId: values.QLIK_CLIENT_ID,
        clientSecret: values.QLIK_CLIENT_SECRET,
        scope: values.QLIK_SCOPE,
        tier1Limit: values.QLIK_TIER1_LIMIT,
        tier2Limit: values.QLIK_TIER2_LIMIT,
        windowMs: values.QLIK_RATE_WINDOW_MS,
        timeoutMs: values.QLIK_TIMEOUT_MS,
        concurrency: values.REVOKE_CONCURRENCY,
      },
    ],
    webhookSecrets: split(values.WEBHOOK_SECRETS),
    apiKeys: split(values.API_KEYS),
    databaseUrl: values.DATABASE_URL,
    databaseConnections: values.DATABASE_CONNECTIONS,
    retentionDays: values.RETENTION_DAYS,
    shutdownDrainMs: values.SHUTDOWN_DRAIN_MS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
  }
}
