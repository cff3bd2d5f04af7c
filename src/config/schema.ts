import { z } from 'zod'
import { FORMS, type Form, LIMITS, oneWay } from '../base/config-forms.ts'
import { isPlaceholder, PLACEHOLDER } from '../base/placeholder.ts'
import type { KeyFile } from '../base/secret-file.ts'
import type { SourceEntry, SourceKinds, ValueForms } from '../base/source-entry.ts'
import { Identifier } from '../revocation/signal.ts'
import { CREDENTIAL_WAYS, credentialMembers } from './credentials.ts'

const TENANTS_AT_MOST = 20_000
/**
 * Whoever sends a webhook names no key, so each is tried: with 1,000 of them an unproven request costs 3 ms, one with a
 * body of 64 KiB 40 ms. API keys are looked up instead, however many there are.
 */
export const WEBHOOK_SECRETS_AT_MOST = 1_000

/** Each has a path of its own, so there is nothing to try one by one. */
const SOURCES_AT_MOST = 1_000

/** Where values come from that the file does not hold itself. */
export interface ValueReaders {
  /** The value of an environment variable. */
  variable: (name: string) => string | undefined
  /** What a file holds, its path relative to that of the configuration file; null where it cannot be read. */
  file: (path: string) => string | null
  /** As `file`, of a file with a private key. */
  keyFile: (path: string) => KeyFile | null
}

/** As a whole value, it stands for the value of that environment variable. */
const VARIABLE = `\${NAME}`

/** A name that is not a variable's may be a secret that only looks like one. */
function unset(name: string): string {
  const isName = /^[A-Za-z_]\w{0,127}$/.test(name)
  return `expected the environment variable${isName ? ` ${name}` : ''} to be set`
}

/**
 * The schema of CONFIG_FILE. Parsing with it puts in what `readers` find; a value that is not there is a mistake like
 * any other. No message repeats a value.
 */
export function configFileSchema(readers: ValueReaders, sourceKinds: readonly SourceKinds[]) {
  const { clients, tenants } = tenantSchemas(readers)
  const { apiKeys, webhookSecrets } = senderSchemas(readers)
  const source = sourceSchema(sourceKinds, valuesFrom(readers))
  return z.strictObject({
    $schema: z.string().optional().describe('Where the schema for editors is'),
    clients: clients.default({}).describe('OAuth clients that tenants share, by name'),
    tenants: tenants.default([]).describe('The first one is meant by signals that name none'),
    apiKeys: apiKeys.default([]).describe('API keys, besides API_KEYS'),
    webhookSecrets: webhookSecrets
      .default([])
      .describe('Secrets of webhook senders, besides WEBHOOK_SECRETS'),
    sources: z
      .array(source)
      .max(SOURCES_AT_MOST)
      .default([])
      .describe('Identity providers and other services'),
  })
}
export type ConfigFile = z.infer<ReturnType<typeof configFileSchema>>

function tenantSchemas(readers: ValueReaders) {
  const values = valuesFrom(readers)
  const { given } = values
  const clientId = given(FORMS.text).describe(`Id of the machine-to-machine OAuth client, or ${VARIABLE}`)
  const credentials = {
    ...credentialMembers(values, readers.keyFile),
    scope: z.string().min(1).optional().describe('Scope of the access token (QLIK_SCOPE)'),
  }
  const limits = {
    tier1Limit: LIMITS.tier1Limit.optional().describe('Reads per window (QLIK_TIER1_LIMIT)'),
    tier2Limit: LIMITS.tier2Limit.optional().describe('Revocations per window (QLIK_TIER2_LIMIT)'),
    rateWindowMs: LIMITS.rateWindowMs.optional().describe('The window in ms (QLIK_RATE_WINDOW_MS)'),
    timeoutMs: LIMITS.timeoutMs.optional().describe('Longest a call may take in ms (QLIK_TIMEOUT_MS)'),
    concurrency: LIMITS.concurrency.optional().describe('Revoking calls in flight (REVOKE_CONCURRENCY)'),
  }
  const apiVersion = z
    .string()
    .refine(FORMS.apiVersion.isGood, FORMS.apiVersion.expected)
    .optional()
    .describe("Release of Qlik's API that each call acknowledges (QLIK_API_VERSION)")
  const client = z.strictObject({ clientId, ...credentials })
  const tenant = z.strictObject({
    name: Identifier.describe('What signals call the tenant'),
    url: given(FORMS.tenantUrl).describe(`https://<tenant>.<region>.qlikcloud.com, or ${VARIABLE}`),
    client: z.string().optional().describe('Name of one of the clients'),
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
      .array(oneWay(tenant, [['client'], ...CREDENTIAL_WAYS.map((way) => ['clientId', way])]))
      .max(TENANTS_AT_MOST),
  }
}

function senderSchemas(readers: ValueReaders) {
  const { given, inFile } = valuesFrom(readers)
  const tenants = z
    .array(z.string())
    .min(1)
    .optional()
    .describe('Names of the tenants that it is good for; all when left out')
  const apiKey = z.strictObject({
    key: given(FORMS.apiKey).optional().describe(`The API key, or ${VARIABLE}`),
    keyFile: inFile(FORMS.apiKey).optional().describe('Path of a file that holds the API key'),
    tenants,
  })
  const webhookSecret = z.strictObject({
    secret: given(FORMS.webhookSecret).optional().describe(`whsec_…, or ${VARIABLE}`),
    secretFile: inFile(FORMS.webhookSecret).optional().describe('Path of a file that holds the secret'),
    tenants,
  })
  return {
    apiKeys: z.array(oneWay(apiKey, [['key'], ['keyFile']])),
    webhookSecrets: z.array(oneWay(webhookSecret, [['secret'], ['secretFile']])),
  }
}

/** An entry of `sources`, by its kind. */
function sourceSchema(parts: readonly SourceKinds[], values: ValueForms): z.ZodType<SourceEntry> {
  const kinds = parts.flatMap((part) => part.kinds)
  const [first, ...others] = parts.flatMap((part) => part.entries(values))
  const error =
    kinds.length > 0 ? `expected a kind: ${kinds.join(', ')}` : 'expected no sources: this build has none'
  if (!first) return z.never(error)
  return z.discriminatedUnion('kind', [first, ...others], {
    error: ({ code }) => (code === 'invalid_union' ? error : undefined),
  })
}

function valuesFrom(readers: ValueReaders) {
  return {
    /** The value itself, or `${NAME}` for the value of an environment variable. */
    given: ({ isGood, expected }: Form) =>
      z.string().transform((text, context) => {
        const name = /^\$\{(.*)\}$/s.exec(text)?.[1]
        const value = name === undefined ? text : (readers.variable(name) ?? '')
        if (value === '' && name !== undefined) context.addIssue(unset(name))
        else if (isPlaceholder(value)) context.addIssue(PLACEHOLDER)
        else if (!isGood(value)) context.addIssue(expected)
        return value
      }),
    /** The path of a file that holds the value. */
    inFile: ({ isGood, expected }: Form) =>
      z.string().transform((path, context) => {
        const value = readers.file(path)
        if (value === null) context.addIssue('expected the path of a readable file')
        else if (isPlaceholder(value)) context.addIssue(PLACEHOLDER)
        else if (!isGood(value)) context.addIssue(expected.replace('expected', 'expected a file that holds'))
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
