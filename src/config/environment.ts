import fastifyEnv from '@fastify/env'
import Fastify from 'fastify'
import { z } from 'zod'
import { KEY_ALGORITHMS } from '../base/client-key.ts'
import { FORMS, type Form, LIMITS, split } from '../base/config-forms.ts'
import { readSecretFile } from '../base/secret-file.ts'

const listOf = ({ isGood, expected }: Form) =>
  z.string().refine((text) => split(text).every(isGood), `${expected}, separated by commas`)

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
  /** Its secret. Either this or QLIK_CLIENT_KEY_FILE is required. */
  QLIK_CLIENT_SECRET: z.string().min(1).optional(),
  /** During a rotation its previous secret, used where the token endpoint refuses QLIK_CLIENT_SECRET. */
  QLIK_CLIENT_SECRET_PREVIOUS: z.string().optional(),
  /**
   * Path of the client's private key (`private_key_jwt`): PEM or JWK, RSA of at least 2048 bits or EC on P-384. In a file
   * only: an environment shows in too many places.
   */
  QLIK_CLIENT_KEY_FILE: z.string().min(1).optional(),
  /** The key's `kid` at Qlik. By default the JWK's own, or none. */
  QLIK_CLIENT_KEY_ID: z.string().min(1).optional(),
  /** How the key signs. By default what a JWK says itself, else RS256 by an RSA key; ES384 by one on P-384. */
  QLIK_CLIENT_KEY_ALG: z.enum(KEY_ALGORITHMS).optional(),
  /** During a rotation the path of its previous key, used where the token endpoint refuses the other one. */
  QLIK_CLIENT_KEY_PREVIOUS_FILE: z.string().min(1).optional(),
  /** As QLIK_CLIENT_KEY_ID, of the previous key. */
  QLIK_CLIENT_KEY_PREVIOUS_ID: z.string().min(1).optional(),
  /** As QLIK_CLIENT_KEY_ALG, of the previous key. */
  QLIK_CLIENT_KEY_PREVIOUS_ALG: z.enum(KEY_ALGORITHMS).optional(),
  /** Scope of the access token. Revoking other users' tokens takes admin_classic. */
  QLIK_SCOPE: z.string().min(1).default('admin_classic'),
  /**
   * The release of Qlik's API that each call acknowledges (`qlik-api-version`): `YYYY-MM`, `latest`, or `none` for no such
   * header. It changes no answer; Qlik announces what it has deprecated after that release. By default the newest that this
   * version of Curfew was checked against: without one, Qlik assumes the oldest that it supports.
   */
  QLIK_API_VERSION: z.string().refine(FORMS.apiVersion.isGood, FORMS.apiVersion.expected).default('2026-11'),
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
  WEBHOOK_SECRETS: listOf(FORMS.webhookSecret).default(''),
  /** API keys: one or more, so that they can be rotated. Long, as they are all that protects the routes. */
  API_KEYS: listOf(FORMS.apiKey).default(''),
  /** Path of a JSON file with more tenants, clients, API keys and webhook secrets: see docs/configuration.md. */
  CONFIG_FILE: z.string().min(1).optional(),
  /** Where revocations are kept: one file, for one process and without a server; or PostgreSQL, for several. */
  DATABASE_URL: z
    .string()
    .refine(FORMS.databaseUrl.isGood, FORMS.databaseUrl.expected)
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
export type Environment = z.infer<typeof Environment>

export const SECRETS = [
  'QLIK_CLIENT_SECRET',
  'QLIK_CLIENT_SECRET_PREVIOUS',
  'WEBHOOK_SECRETS',
  'API_KEYS',
  'DATABASE_URL',
] as const

/** Variables as a process has them. */
export type Variables = Readonly<Record<string, string | undefined>>

/** The keys that are set, as texts. */
export type Given = Partial<Record<string, string>>

/** One key that is not usable, and what was expected. Never holds the value. */
export interface Mistake {
  key: string
  expected: string
}

type Checked = { values: Record<string, unknown>; mistakes: Mistake[] }

/**
 * Reads the keys of `schema` from an environment, those in `secrets` also from the files that `…_FILE` names, and
 * tells all that is wrong with them.
 */
export async function readEnvironment(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Variables,
): Promise<Checked & { given: Given }> {
  const { given, fileMistakes } = withSecretFiles(schema, secrets, environment)
  const { values, mistakes } = await check(schema, given)
  // A secret whose file is wrong is told once, not as missing, too.
  const told = fileMistakes.map(({ key }) => key.replace(/_FILE$/, ''))
  return { given, values, mistakes: [...fileMistakes, ...mistakes.filter(({ key }) => !told.includes(key))] }
}

/** The keys that are set, secrets read from their files where they are given as such. */
function withSecretFiles(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Variables,
): { given: Given; fileMistakes: Mistake[] } {
  const given: Given = {}
  const fileMistakes: Mistake[] = []
  for (const key of Object.keys(schema.shape)) {
    // An empty value is what an unset variable becomes in a compose file.
    if (environment[key]) given[key] = environment[key]
  }
  for (const key of secrets) {
    const path = environment[`${key}_FILE`]
    if (!path) continue
    if (given[key] !== undefined)
      fileMistakes.push({ key, expected: `either ${key} or ${key}_FILE, not both` })
    const content = readSecretFile(path)
    // The path may be anything; the key is enough to find it.
    if (content === null) fileMistakes.push({ key: `${key}_FILE`, expected: 'the path of a readable file' })
    // The file of the second secret stays in place, empty, between rotations.
    else if (content === '' && !key.endsWith('_PREVIOUS'))
      fileMistakes.push({ key: `${key}_FILE`, expected: 'a file that is not empty' })
    else given[key] = content
  }
  return { given, fileMistakes }
}

/** Coerces by @fastify/env, then checks by zod. What cannot be coerced is left out, so that it hides no other mistake. */
async function check(schema: z.ZodObject, given: Given): Promise<Checked> {
  const first = await coerce(schema, given)
  if (first.mistakes.length === 0) return { values: first.values, mistakes: issuesOf(schema, first.values) }
  const wrong = first.mistakes.map(({ key }) => key)
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !wrong.includes(key)))
  const optional = partialOf(schema)
  const second = await coerce(optional, rest)
  return { values: {}, mistakes: [...first.mistakes, ...issuesOf(optional, second.values)] }
}

interface AjvError {
  instancePath: string
  message?: string
  params: { missingProperty?: string; allowedValues?: string[] }
}

/** What `make` makes of each schema, made once: @fastify/env compiles each object that it is given, and keeps that. */
function once<Made extends object>(make: (schema: z.ZodObject) => Made): (schema: z.ZodObject) => Made {
  const known = new WeakMap<z.ZodObject, Made>()
  return (schema) => {
    const made = known.get(schema) ?? make(schema)
    known.set(schema, made)
    return made
  }
}

const jsonSchemaOf = once((schema) => z.toJSONSchema(schema, { target: 'draft-7', io: 'output' }))
const partialOf = once((schema) => schema.partial())

async function coerce(schema: z.ZodObject, data: Given): Promise<Checked> {
  const app = Fastify()
  try {
    await app.register(fastifyEnv, { schema: jsonSchemaOf(schema), data, env: false })
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
