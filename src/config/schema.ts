import { z } from 'zod'
import { FORMATS, type Format, LIMITS, oneWay } from '../base/config-formats.ts'
import { isPlaceholder, PLACEHOLDER } from '../base/placeholder.ts'
import { ROLES } from '../base/role.ts'
import type { SecretFile } from '../base/secret-file.ts'
import type { SourceEntry, SourceKinds, ValueSchemas } from '../base/source-entry.ts'
import { NOTIFICATION_TYPES, ReceiverName } from '../revocation/notification.ts'
import { Identifier } from '../revocation/signal.ts'
import { CREDENTIAL_WAYS, credentialMembers } from './credentials.ts'

const MAX_TENANTS = 20_000
/** Of one tenant. Each is checked every 30 s, and each call compares all of them. */
const MAX_CLIENTS = 50
/**
 * A webhook names no key, so Curfew tries each secret: with 1,000 of them, an unauthenticated request costs 3 ms, or 40
 * ms with a body of 64 KiB. API keys are looked up, so their number is not limited.
 */
export const MAX_WEBHOOK_SECRETS = 1_000

/** Each source has its own path, so a request never tries several. */
const MAX_SOURCES = 1_000

/** Each has connections of its own. */
const MAX_RECEIVERS = 20
const MAX_RECEIVER_NETWORKS = 100

/** Reads the values that the configuration file only refers to. */
export interface ValueReaders {
  /** The value of an environment variable. */
  variable: (name: string) => string | undefined
  /** The content of a file; null if it is unreadable. The path is relative to the configuration file. */
  file: (path: string) => string | null
  /** Like `file`, for a file with a private key. */
  keyFile: (path: string) => SecretFile | null
}

/** A string of this form is replaced with the value of the environment variable. */
const VARIABLE = `\${NAME}`

/** Text that is not a valid variable name may be a secret, so it is not repeated. */
function unset(name: string): string {
  const isName = /^[A-Z][A-Z0-9]{0,31}(_[A-Z0-9]{1,31}){1,4}$/.test(name)
  return `expected the environment variable${isName ? ` ${name}` : ''} to be set`
}

/**
 * The schema of CONFIG_FILE. Parsing replaces references with the values that `readers` return; a missing value is
 * reported like any other mistake. No message repeats a value.
 */
export function configFileSchema(readers: ValueReaders, sourceKinds: readonly SourceKinds[]) {
  const { clients, tenants } = tenantSchemas(readers)
  const { apiKeys, webhookSecrets } = senderSchemas(readers)
  const source = sourceSchema(sourceKinds, valuesFrom(readers))
  return z.strictObject({
    $schema: z.string().optional().describe('Location of the JSON Schema, for editors'),
    clients: clients.default({}).describe('OAuth clients that tenants share, by name'),
    tenants: tenants.default([]).describe('Qlik tenants; a signal without a tenant is for the first one'),
    apiKeys: apiKeys.default([]).describe('API keys, in addition to API_KEYS'),
    webhookSecrets: webhookSecrets
      .default([])
      .describe('Secrets of webhook senders, in addition to WEBHOOK_SECRETS'),
    sources: z
      .array(source)
      .max(MAX_SOURCES)
      .default([])
      .describe('Identity providers and other services that report logouts'),
    receivers: z
      .array(receiverSchema(valuesFrom(readers)))
      .max(MAX_RECEIVERS)
      .default([])
      .describe('Services that are notified of revocations'),
    receiverNetworks: z
      .array(z.string().refine(FORMATS.network.isValid, FORMATS.network.expected))
      .max(MAX_RECEIVER_NETWORKS)
      .default([])
      .describe('Addresses and networks that are not public and that receivers may be in; none by default'),
  })
}
export type ConfigFile = z.infer<ReturnType<typeof configFileSchema>>

function tenantSchemas(readers: ValueReaders) {
  const values = valuesFrom(readers)
  const { inline } = values
  const clientId = inline(FORMATS.text).describe(`Id of the machine-to-machine OAuth client, or ${VARIABLE}`)
  const credentials = {
    ...credentialMembers(values, readers.keyFile),
    scope: z.string().min(1).optional().describe('Scope of the access token (QLIK_SCOPE)'),
  }
  const limits = {
    tier1Limit: LIMITS.tier1Limit.optional().describe('Reads per window (QLIK_TIER1_LIMIT)'),
    tier2Limit: LIMITS.tier2Limit.optional().describe('Revocations per window (QLIK_TIER2_LIMIT)'),
    rateWindowMs: LIMITS.rateWindowMs
      .optional()
      .describe('Window of the limits, in ms (QLIK_RATE_WINDOW_MS)'),
    timeoutMs: LIMITS.timeoutMs.optional().describe('Timeout of a call, in ms (QLIK_TIMEOUT_MS)'),
    concurrency: LIMITS.concurrency.optional().describe('Concurrent revoking calls (REVOKE_CONCURRENCY)'),
  }
  const apiVersion = z
    .string()
    .refine(FORMATS.apiVersion.isValid, FORMATS.apiVersion.expected)
    .optional()
    .describe("Release of Qlik's API that each call acknowledges (QLIK_API_VERSION)")
  const client = z.strictObject({ clientId, ...credentials })
  const tenant = z.strictObject({
    name: Identifier.describe('Name of the tenant in signals'),
    url: inline(FORMATS.tenantUrl).describe(`https://<tenant>.<region>.qlikcloud.com, or ${VARIABLE}`),
    client: z.string().optional().describe('Name of an entry in clients'),
    clients: z
      .array(z.string())
      .min(1)
      .max(MAX_CLIENTS)
      .optional()
      .describe('Names of entries in clients, each with its own rate limit'),
    clientId: clientId.optional(),
    ...credentials,
    apiVersion,
    ...limits,
  })
  return {
    clients: z.record(
      z.string(),
      oneWay(
        client,
        CREDENTIAL_WAYS.map((way) => [way]),
      ),
    ),
    tenants: z
      .array(oneWay(tenant, [['client'], ['clients'], ...CREDENTIAL_WAYS.map((way) => ['clientId', way])]))
      .max(MAX_TENANTS),
  }
}

/** Letters, digits and few others: a default name has brackets, so no given name equals it. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@:/-]{0,63}$/u

/** As ms since the epoch. */
const time = z.iso
  .datetime({ offset: true, error: 'expected ISO 8601 with an offset, as in 2026-05-04T12:00:00Z' })
  .transform((text) => Date.parse(text))

function senderSchemas(readers: ValueReaders) {
  const { inline, fromFile } = valuesFrom(readers)
  const tenants = z
    .array(z.string())
    .min(1)
    .optional()
    .describe('Names of the tenants it is restricted to; all tenants by default')
  const name = z
    .string()
    .regex(NAME, 'expected up to 64 letters, digits, spaces and . _ @ : / -')
    .optional()
    .describe('Name in logs and in health; the position in the list by default')
  const massRevocation = z
    .boolean()
    .optional()
    .describe('Exempts it from the brake on mass revocation (MASS_REVOCATION_USERS); false by default')
  const apiKey = z.strictObject({
    name,
    key: inline(FORMATS.apiKey)
      .optional()
      .describe(`The API key, or sha256: and its digest (hash-api-key), or ${VARIABLE}`),
    keyFile: fromFile(FORMATS.apiKey)
      .optional()
      .describe('Path of a file that holds the API key or its digest'),
    roles: z
      .array(z.enum(ROLES))
      .min(1)
      .optional()
      .describe('What holders of the key can do; everything by default'),
    tenants,
    massRevocation,
    notBefore: time.optional().describe('When the key becomes valid (ISO 8601)'),
    expiresAt: time.optional().describe('When the key becomes invalid (ISO 8601); never by default'),
  })
  const webhookSecret = z.strictObject({
    name,
    secret: inline(FORMATS.webhookSecret).optional().describe(`whsec_…, or ${VARIABLE}`),
    secretFile: fromFile(FORMATS.webhookSecret).optional().describe('Path of a file that holds the secret'),
    tenants,
    massRevocation,
  })
  return {
    apiKeys: z.array(
      oneWay(apiKey, [['key'], ['keyFile']]).refine(
        ({ notBefore, expiresAt }) =>
          notBefore === undefined || expiresAt === undefined || notBefore < expiresAt,
        { path: ['expiresAt'], error: 'expected a time after notBefore' },
      ),
    ),
    webhookSecrets: z.array(oneWay(webhookSecret, [['secret'], ['secretFile']])),
  }
}

function receiverSchema({ inline, fromFile }: ValueSchemas) {
  const receiver = z.strictObject({
    name: ReceiverName.describe('Name of the receiver, in `notify`, in the API and in metrics'),
    url: inline(FORMATS.secureAddress).describe(`Where notifications are posted: https://…, or ${VARIABLE}`),
    secret: inline(FORMATS.webhookSecret)
      .optional()
      .describe(`Signs notifications (Standard Webhooks): whsec_…, or ${VARIABLE}`),
    secretFile: fromFile(FORMATS.webhookSecret).optional().describe('Path of a file that holds the secret'),
    previousSecret: inline(FORMATS.webhookSecret)
      .optional()
      .describe('During a rotation: signs notifications, too'),
    previousSecretFile: fromFile(FORMATS.webhookSecret)
      .optional()
      .describe('Path of a file that holds the previous secret'),
    events: z
      .array(z.enum(NOTIFICATION_TYPES))
      .min(1)
      .optional()
      .describe('What it is notified of; everything by default'),
    tenants: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Names of the tenants whose revocations it is notified of; all tenants by default'),
    onlyIfNamed: z
      .boolean()
      .optional()
      .describe('Notifies it only of revocations whose signals name it in `notify`; false by default'),
  })
  return oneWay(receiver, [
    ['secret'],
    ['secretFile'],
    ['secret', 'previousSecret'],
    ['secretFile', 'previousSecretFile'],
  ])
}

/** The schema of an entry in `sources`, selected by `kind`. */
function sourceSchema(parts: readonly SourceKinds[], values: ValueSchemas): z.ZodType<SourceEntry> {
  const kinds = parts.flatMap((part) => part.kinds)
  const [first, ...others] = parts.flatMap((part) => part.entries(values))
  const error =
    kinds.length > 0 ? `expected a kind: ${kinds.join(', ')}` : 'expected no sources: this build has none'
  if (!first) return z.never(error)
  return z.discriminatedUnion('kind', [first, ...others], {
    error: ({ code }) => (code === 'invalid_union' ? error : undefined),
  })
}

function valuesFrom(readers: ValueReaders): ValueSchemas {
  return {
    inline: ({ isValid, expected }: Format) =>
      z.string().transform((text, context) => {
        const name = /^\$\{(.*)\}$/s.exec(text)?.[1]
        const value = name === undefined ? text : (readers.variable(name) ?? '')
        if (value === '' && name !== undefined) context.addIssue(unset(name))
        else if (isPlaceholder(value)) context.addIssue(PLACEHOLDER)
        else if (!isValid(value)) context.addIssue(expected)
        return value
      }),
    fromFile: ({ isValid, expected }: Format) =>
      z.string().transform((path, context) => {
        const value = readers.file(path)
        if (value === null) context.addIssue('expected the path of a readable file that others cannot write')
        else if (isPlaceholder(value)) context.addIssue(PLACEHOLDER)
        else if (!isValid(value)) context.addIssue(expected.replace('expected', 'expected a file that holds'))
        return value ?? ''
      }),
  }
}

/** The JSON Schema of CONFIG_FILE, for completion and checks in editors. */
export function configFileJsonSchema(sourceKinds: readonly SourceKinds[]): object {
  const readers = { variable: () => undefined, file: () => null, keyFile: () => null }
  const schema = configFileSchema(readers, sourceKinds)
  return z.toJSONSchema(schema, { target: 'draft-7', io: 'input' })
}
