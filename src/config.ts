import { z } from 'zod'
import { type Given, readEnvironment, type Variables } from './config-environment.ts'
import { clashesOf, type FilePart, fromFile, readConfigFile, type TenantDefaults } from './config-file.ts'
import { FORMS, isApiKey, isDatabaseUrl, isWebhookSecret, LIMITS, split } from './config-forms.ts'
import { type ConfigFile, WEBHOOK_SECRETS_AT_MOST } from './config-schema.ts'
import { CurfewError } from './errors.ts'
import type { SourceConfig } from './sources/source-kinds.ts'

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
  /**
   * The Qlik Cloud tenant, `https://tenant.region.qlikcloud.com`. Plain http is for loopback only. This and the next two
   * are required unless CONFIG_FILE has tenants; beside it they are the tenant `default`, the first.
   */
  QLIK_TENANT_URL: z.string().refine(FORMS.tenantUrl.isGood, FORMS.tenantUrl.expected).optional(),
  /** Id of the machine-to-machine OAuth client. */
  QLIK_CLIENT_ID: z.string().min(1).optional(),
  /** Its secret. */
  QLIK_CLIENT_SECRET: z.string().min(1).optional(),
  /** Scope of the access token. Revoking other users' tokens takes admin_classic. */
  QLIK_SCOPE: z.string().min(1).default('admin_classic'),
  /** Reads per window. Qlik allows 1,000 a minute, counted over 5 minutes. */
  QLIK_TIER1_LIMIT: LIMITS.tier1Limit.default(5_000),
  /** Revocations (and requests for an access token) per window. Qlik allows 100 a minute, over 5 minutes. */
  QLIK_TIER2_LIMIT: LIMITS.tier2Limit.default(500),
  /** The window of Qlik's limits in ms. Shorter only against the sandbox. */
  QLIK_RATE_WINDOW_MS: LIMITS.rateWindowMs.default(300_000),
  /** Longest a single call to Qlik may take in ms, and each of its phases. */
  QLIK_TIMEOUT_MS: LIMITS.timeoutMs.default(10_000),
  /** Revoking calls in flight per tenant. 16 empty the budget of 500 in seconds without flooding the tenant. */
  REVOKE_CONCURRENCY: LIMITS.concurrency.default(16),
  /** Secrets of webhook senders (Standard Webhooks): one or more, so that they can be rotated. */
  WEBHOOK_SECRETS: list('whsec_ and 24 to 64 bytes in base64', isWebhookSecret).default(''),
  /** API keys: one or more, so that they can be rotated. Long, as they are all that protects the routes. */
  API_KEYS: list('at least 24 printable characters without spaces', isApiKey).default(''),
  /** Path of a JSON file with more tenants, clients, API keys and webhook secrets: see docs/configuration.md. */
  CONFIG_FILE: z.string().min(1).optional(),
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

/** Something that proves a sender, and the names of the tenants it is good for; null for all. */
export interface ApiKeyConfig {
  key: string
  tenants: readonly string[] | null
}
export interface WebhookSecretConfig {
  secret: string
  tenants: readonly string[] | null
}

/** What can change while the service runs. */
export interface Reloadable {
  /** At least one; the first is the one that a signal means when it names none. */
  tenants: [TenantConfig, ...TenantConfig[]]
  senders: { apiKeys: ApiKeyConfig[]; webhookSecrets: WebhookSecretConfig[] }
  /** Identity providers and other services, each with a way in of its own. */
  sources: SourceConfig[]
}

export interface Config extends Reloadable {
  host: string
  port: number
  logLevel: Environment['LOG_LEVEL']
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

const MISTAKES_TOLD = 50

/** All that is wrong with the configuration, at once; of hundreds of mistakes the first 50, and how many more there are. */
export class ConfigError extends CurfewError {
  readonly mistakes: Mistake[]

  constructor(mistakes: Mistake[]) {
    const told = mistakes.slice(0, MISTAKES_TOLD)
    const lines = told.map(({ key, expected }) => `  ${key}: ${expected}`)
    const more = mistakes.length - told.length
    if (more > 0) lines.push(`  and ${more} more`)
    const members = told.map(({ key, expected }) => ({ member: key, expected }))
    super('CURFEW_CONFIG_INVALID', `The configuration is not usable:\n${lines.join('\n')}`, { members })
    this.mistakes = mistakes
  }
}

/**
 * Reads the configuration from an environment, and from the files that it names.
 * @throws ConfigError with every mistake
 */
export async function loadConfig(environment: Variables): Promise<Config> {
  const { given, values, mistakes } = await readEnvironment(Environment, SECRETS, environment)
  const isTold = (key: string) => mistakes.some((mistake) => [key, `${key}_FILE`].includes(mistake.key))
  const named = TENANT_KEYS.some((key) => given[key] !== undefined) ? [DEFAULT_TENANT] : []
  const reading = given.CONFIG_FILE
    ? readConfigFile(given.CONFIG_FILE, { environment, named })
    : { file: NO_FILE, mistakes: [] }
  const missing = [
    ...missingTenant(given, reading.file).filter(({ key }) => !isTold(key)),
    ...(SENDER_KEYS.some(isTold) ? [] : missingSenders(given, reading.file)),
  ]
  const all = [...mistakes, ...missing, ...reading.mistakes]
  if (all.length > 0 || !reading.file) throw new ConfigError(all)
  return toConfig(Environment.parse(values), reading.file)
}

const DEFAULT_TENANT = 'default'
const TENANT_KEYS = ['QLIK_TENANT_URL', 'QLIK_CLIENT_ID', 'QLIK_CLIENT_SECRET'] as const
const SENDER_KEYS = ['WEBHOOK_SECRETS', 'API_KEYS'] as const
const NO_FILE: ConfigFile = { clients: {}, tenants: [], apiKeys: [], webhookSecrets: [], sources: [] }
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
export async function loadStoreConfig(environment: Variables): Promise<StoreConfig> {
  const { values, mistakes } = await readEnvironment(StoreEnvironment, ['DATABASE_URL'], environment)
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const { DATABASE_URL, QLIK_TIMEOUT_MS, QLIK_RATE_WINDOW_MS } = StoreEnvironment.parse(values)
  return { databaseUrl: DATABASE_URL, timeoutMs: QLIK_TIMEOUT_MS, windowMs: QLIK_RATE_WINDOW_MS }
}

/** @param file null where it is not usable, so that nothing is known to be missing for want of it */
function missingTenant(given: Given, file: ConfigFile | null): Mistake[] {
  const missing = TENANT_KEYS.filter((key) => given[key] === undefined)
  if (missing.length === TENANT_KEYS.length && (file === null || file.tenants.length > 0)) return []
  return missing.map((key) => ({ key, expected: 'must be set' }))
}

function missingSenders(given: Given, file: ConfigFile | null): Mistake[] {
  if (!file || file.apiKeys.length + file.webhookSecrets.length + file.sources.length > 0) return []
  if (SENDER_KEYS.some((key) => split(given[key] ?? '').length > 0)) return []
  return [
    {
      key: 'WEBHOOK_SECRETS or API_KEYS',
      expected: 'at least one must be set, or nobody could send a signal',
    },
  ]
}

/** @throws ConfigError when the environment and the file do not go together */
function toConfig(values: Environment, file: ConfigFile): Config {
  const own = ownPart(values)
  const more = fromFile(file, defaultsOf(values))
  const mistakes = clashesOf(own, more)
  const webhookSecrets = [...own.senders.webhookSecrets, ...more.senders.webhookSecrets]
  if (webhookSecrets.length > WEBHOOK_SECRETS_AT_MOST) {
    const expected = `expected at most ${WEBHOOK_SECRETS_AT_MOST} webhook secrets in all`
    const isOwn = more.senders.webhookSecrets.length === 0
    mistakes.push({ key: isOwn ? 'WEBHOOK_SECRETS' : 'CONFIG_FILE /webhookSecrets', expected })
  }
  const [first, ...others] = [...own.tenants, ...more.tenants]
  if (mistakes.length > 0 || !first) throw new ConfigError(mistakes)
  return {
    host: values.HOST,
    port: values.PORT,
    logLevel: values.LOG_LEVEL,
    tenants: [first, ...others],
    senders: { apiKeys: [...own.senders.apiKeys, ...more.senders.apiKeys], webhookSecrets },
    sources: more.sources,
    databaseUrl: values.DATABASE_URL,
    databaseConnections: values.DATABASE_CONNECTIONS,
    retentionDays: values.RETENTION_DAYS,
    shutdownDrainMs: values.SHUTDOWN_DRAIN_MS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
  }
}

/** The tenant and the senders of the environment itself. */
function ownPart(values: Environment): FilePart {
  const { QLIK_TENANT_URL: url, QLIK_CLIENT_ID: clientId, QLIK_CLIENT_SECRET: clientSecret } = values
  const isGiven = url !== undefined && clientId !== undefined && clientSecret !== undefined
  return {
    tenants: isGiven
      ? [{ name: DEFAULT_TENANT, origin: new URL(url).origin, clientId, clientSecret, ...defaultsOf(values) }]
      : [],
    sources: [],
    senders: {
      apiKeys: split(values.API_KEYS).map((key) => ({ key, tenants: null })),
      webhookSecrets: split(values.WEBHOOK_SECRETS).map((secret) => ({ secret, tenants: null })),
    },
  }
}

function defaultsOf(values: Environment): TenantDefaults {
  return {
    scope: values.QLIK_SCOPE,
    tier1Limit: values.QLIK_TIER1_LIMIT,
    tier2Limit: values.QLIK_TIER2_LIMIT,
    windowMs: values.QLIK_RATE_WINDOW_MS,
    timeoutMs: values.QLIK_TIMEOUT_MS,
    concurrency: values.REVOKE_CONCURRENCY,
  }
}
