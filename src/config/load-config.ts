import { digestOfConfigured } from '../base/api-key-digest.ts'
import { split } from '../base/config-formats.ts'
import { CurfewError } from '../base/errors.ts'
import { ROLES } from '../base/role.ts'
import type { SourceKinds } from '../base/source-entry.ts'
import { type OwnCredentials, ownCredentials } from './credentials.ts'
import { databaseMistake } from './database-security.ts'
import { Environment, SECRETS } from './environment.ts'
import { clashesOf, type FilePart, fromFile, readConfigFile, type TenantDefaults } from './file.ts'
import { operatorsMistakes } from './listeners.ts'
import { misspelt } from './misspelt.ts'
import { type Given, type Mistake, readEnvironment, type Variables } from './read-environment.ts'
import { receiverMistakes } from './receivers.ts'
import { type ConfigFile, MAX_WEBHOOK_SECRETS } from './schema.ts'
import type { Config } from './types.ts'
import { weakSecrets } from './weak-secrets.ts'

export type * from './types.ts'

const DEFAULT_TENANT = 'default'
/** The keys that the environment's own tenant requires: one of each group. */
const TENANT_KEYS = [
  ['QLIK_TENANT_URL'],
  ['QLIK_CLIENT_ID'],
  ['QLIK_CLIENT_SECRET', 'QLIK_CLIENT_KEY_FILE'],
] as const
const SENDER_KEYS = ['WEBHOOK_SECRETS', 'API_KEYS'] as const
/** All variables that Curfew reads. */
const KEYS = [...Object.keys(Environment.shape), ...SECRETS.map((key) => `${key}_FILE`)]
const NO_FILE: ConfigFile = {
  clients: {},
  tenants: [],
  apiKeys: [],
  webhookSecrets: [],
  sources: [],
  receivers: [],
  receiverNetworks: [],
}

const MAX_REPORTED_MISTAKES = 50

/** Reports all mistakes in the configuration at once: the first 50, and the number of further ones. */
export class ConfigError extends CurfewError {
  readonly mistakes: Mistake[]

  constructor(mistakes: Mistake[]) {
    const reported = mistakes.slice(0, MAX_REPORTED_MISTAKES)
    const lines = reported.map(({ key, expected }) => `  ${key}: ${expected}`)
    const more = mistakes.length - reported.length
    if (more > 0) lines.push(`  and ${more} more`)
    const members = reported.map(({ key, expected }) => ({ member: key, expected }))
    super('CURFEW_CONFIG_INVALID', `The configuration is invalid:\n${lines.join('\n')}`, { members })
    this.mistakes = mistakes
  }
}

/**
 * Reads the configuration from an environment and from the files it names.
 * @param sourceKinds the kinds of sources that CONFIG_FILE may contain
 * @param options.needsSenders false for commands that receive no signals
 * @throws ConfigError with every mistake
 */
export async function loadConfig(
  environment: Variables,
  sourceKinds: readonly SourceKinds[] = [],
  { needsSenders = true } = {},
): Promise<Config> {
  const { given, values, mistakes, warnings } = await readEnvironment(Environment, SECRETS, environment)
  const isReported = (key: string) => mistakes.some((mistake) => [key, `${key}_FILE`].includes(mistake.key))
  const own = ownCredentials(given, isReported)
  const named = TENANT_KEYS.flat().some((key) => given[key] !== undefined) ? [DEFAULT_TENANT] : []
  const reading = given.CONFIG_FILE
    ? readConfigFile(given.CONFIG_FILE, { environment, named, sourceKinds })
    : { file: NO_FILE, mistakes: [], warnings: [] }
  const missing = [
    ...missingTenant(given, reading.file).filter(({ key }) => !isReported(key)),
    ...(!needsSenders || SENDER_KEYS.some(isReported) ? [] : missingSenders(given, reading.file)),
  ]
  const unknown = misspelt(Object.keys(environment), KEYS)
  const insecure = isReported('DATABASE_URL') ? [] : insecureDatabase(values, environment)
  const all = [
    ...mistakes,
    ...operatorsMistakes(given, values),
    ...insecure,
    ...own.mistakes,
    ...missing,
    ...reading.mistakes,
  ]
  if (all.length > 0 || !reading.file) throw new ConfigError([...all, ...unknown])
  const config = toConfig(Environment.parse(values), own, reading.file)
  return { ...config, warnings: [...warnings, ...config.warnings, ...reading.warnings, ...unknown] }
}

function insecureDatabase(values: Record<string, unknown>, environment: Variables): Mistake[] {
  const { DATABASE_URL, DATABASE_INSECURE } = values
  if (typeof DATABASE_URL !== 'string' || DATABASE_INSECURE === true) return []
  const expected = databaseMistake(DATABASE_URL, environment)
  return expected ? [{ key: 'DATABASE_URL', expected }] : []
}

/** @param file null if it is invalid: then it is unknown whether it configures tenants */
function missingTenant(given: Given, file: ConfigFile | null): Mistake[] {
  const missing = TENANT_KEYS.filter((keys) => keys.every((key) => given[key] === undefined))
  if (missing.length === TENANT_KEYS.length && (file === null || file.tenants.length > 0)) return []
  return missing.map(([key, ...others]) => ({ key, expected: ['must be set', ...others].join(', or ') }))
}

function missingSenders(given: Given, file: ConfigFile | null): Mistake[] {
  if (!file || file.apiKeys.length + file.webhookSecrets.length + file.sources.length > 0) return []
  if (SENDER_KEYS.some((key) => split(given[key] ?? '').length > 0)) return []
  return [
    {
      key: 'WEBHOOK_SECRETS or API_KEYS',
      expected: 'at least one must be set, otherwise no sender is authorized',
    },
  ]
}

/** @throws ConfigError if the environment and the file contradict each other */
function toConfig(values: Environment, credentials: OwnCredentials, file: ConfigFile): Config {
  const own = ownPart(values, credentials)
  const more = fromFile(file, defaultsOf(values))
  const mistakes = [
    ...clashesOf(own, more),
    ...weakSecrets(values, file),
    ...receiverMistakes(more.receivers),
  ]
  const webhookSecrets = [...own.senders.webhookSecrets, ...more.senders.webhookSecrets]
  if (webhookSecrets.length > MAX_WEBHOOK_SECRETS) {
    const expected = `expected at most ${MAX_WEBHOOK_SECRETS} webhook secrets in total`
    const isOwn = more.senders.webhookSecrets.length === 0
    mistakes.push({ key: isOwn ? 'WEBHOOK_SECRETS' : 'CONFIG_FILE /webhookSecrets', expected })
  }
  const [first, ...others] = [...own.tenants, ...more.tenants]
  if (mistakes.length > 0 || !first) throw new ConfigError(mistakes)
  return {
    host: values.HOST,
    port: values.PORT,
    operators: values.OPS_PORT === undefined ? null : { host: values.OPS_HOST, port: values.OPS_PORT },
    logLevel: values.LOG_LEVEL,
    tenants: [first, ...others],
    senders: { apiKeys: [...own.senders.apiKeys, ...more.senders.apiKeys], webhookSecrets },
    sources: more.sources,
    receivers: more.receivers,
    warnings: [...own.warnings, ...more.warnings],
    trustProxy: split(values.TRUST_PROXY),
    maxConnections: values.MAX_CONNECTIONS,
    maxFailedAuthentications: values.MAX_FAILED_AUTHENTICATIONS,
    memoryLimitMb: values.MEMORY_LIMIT_MB,
    databaseUrl: values.DATABASE_URL,
    databaseConnections: values.DATABASE_CONNECTIONS,
    massRevocation: { users: values.MASS_REVOCATION_USERS, windowMs: values.MASS_REVOCATION_WINDOW_MS },
    retentionDays: values.RETENTION_DAYS,
    auditRetentionDays: values.AUDIT_RETENTION_DAYS,
    auditSigningKey: values.AUDIT_SIGNING_KEY ?? null,
    dashboardSecret: values.DASHBOARD_SECRET ?? null,
    isDashboardReadOnly: values.DASHBOARD_READ_ONLY,
    shutdownDrainMs: values.SHUTDOWN_DRAIN_MS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
  }
}

/** The tenant and the senders that the environment configures. */
function ownPart(values: Environment, { credentials, warnings }: OwnCredentials): FilePart {
  const { QLIK_TENANT_URL: url, QLIK_CLIENT_ID: clientId } = values
  const { scope, ...defaults } = defaultsOf(values)
  const isGiven = url !== undefined && clientId !== undefined && credentials !== null
  return {
    tenants: isGiven
      ? [
          {
            name: DEFAULT_TENANT,
            origin: new URL(url).origin,
            clients: [{ clientId, credentials, scope }],
            ...defaults,
          },
        ]
      : [],
    sources: [],
    receivers: { list: [], networks: [] },
    senders: {
      apiKeys: split(values.API_KEYS).map((key, index) => ({
        name: `API_KEYS[${index}]`,
        digest: digestOfConfigured(key),
        roles: ROLES,
        tenants: null,
        notBefore: null,
        expiresAt: null,
      })),
      webhookSecrets: split(values.WEBHOOK_SECRETS).map((secret, index) => ({
        name: `WEBHOOK_SECRETS[${index}]`,
        secret,
        tenants: null,
      })),
    },
    warnings,
  }
}

function defaultsOf(values: Environment): TenantDefaults {
  return {
    scope: values.QLIK_SCOPE,
    apiVersion: values.QLIK_API_VERSION,
    tier1Limit: values.QLIK_TIER1_LIMIT,
    tier2Limit: values.QLIK_TIER2_LIMIT,
    windowMs: values.QLIK_RATE_WINDOW_MS,
    timeoutMs: values.QLIK_TIMEOUT_MS,
    concurrency: values.REVOKE_CONCURRENCY,
  }
}

/** The configuration of commands that only use the store. */
export interface StoreConfig {
  databaseUrl: string
  /** Timeout of a call to Qlik Cloud, in ms. */
  timeoutMs: number
  /** How long a call counts after its end, in ms. */
  windowMs: number
}

const StoreEnvironment = Environment.pick({
  DATABASE_URL: true,
  DATABASE_INSECURE: true,
  QLIK_TIMEOUT_MS: true,
  QLIK_RATE_WINDOW_MS: true,
})

/**
 * Reads the configuration of commands that only use the store. Other keys are not checked.
 * @throws ConfigError with every mistake
 */
export async function loadStoreConfig(environment: Variables): Promise<StoreConfig> {
  const { values, mistakes } = await readEnvironment(StoreEnvironment, ['DATABASE_URL'], environment)
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const insecure = insecureDatabase(values, environment)
  if (insecure.length > 0) throw new ConfigError(insecure)
  const { DATABASE_URL, QLIK_TIMEOUT_MS, QLIK_RATE_WINDOW_MS } = StoreEnvironment.parse(values)
  return { databaseUrl: DATABASE_URL, timeoutMs: QLIK_TIMEOUT_MS, windowMs: QLIK_RATE_WINDOW_MS }
}
