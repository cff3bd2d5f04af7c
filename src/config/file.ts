import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { digestOfConfigured } from '../base/api-key-digest.ts'
import { invalidMembers, pointer } from '../base/json-pointer.ts'
import { ROLES } from '../base/role.ts'
import { EXPOSED, isWritableByOthers, readKeyFile, readSecretFile } from '../base/secret-file.ts'
import type { SourceKinds } from '../base/source-entry.ts'
import type { ClientConfig, TenantConfig } from '../qlik/tenant-config.ts'
import { type CredentialEntry, entryCredentials } from './credentials.ts'
import type { Mistake, Variables } from './read-environment.ts'
import { toReceivers } from './receivers.ts'
import { wrongReferences } from './references.ts'
import { type ConfigFile, configFileSchema, type ValueReaders } from './schema.ts'
import type { Reloadable } from './types.ts'

const WRITABLE = 'expected a file that other users of the machine cannot write (chmod o-w)'

const LARGEST_FILE_BYTES = 16 * 1024 * 1024

/** The settings of tenants that do not set their own. Name, address and client have no default. */
export type TenantDefaults = Omit<TenantConfig, 'name' | 'origin' | 'clients'> & Pick<ClientConfig, 'scope'>

/** The part of the configuration from one place: the file or the environment. */
export interface FilePart {
  tenants: TenantConfig[]
  sources: Reloadable['sources']
  senders: Reloadable['senders']
  receivers: Reloadable['receivers']
  warnings: Mistake[]
}

export type FileReading =
  | { file: ConfigFile; mistakes: []; warnings: Mistake[] }
  | { file: null; mistakes: Mistake[] }

export interface FileContext {
  environment: Variables
  /** Tenants configured outside the file: it may refer to them but not define them. */
  named: readonly string[]
  /** The kinds of sources that the file may contain. */
  sourceKinds: readonly SourceKinds[]
}

/** Reads the file at `path`, and reports every mistake in it. */
export function readConfigFile(path: string, { environment, named, sourceKinds }: FileContext): FileReading {
  const read = readJson(path)
  if ('mistake' in read) return { file: null, mistakes: [{ key: 'CONFIG_FILE', expected: read.mistake }] }
  const inFolder = (name: string) => resolve(dirname(path), name)
  const exposed = new Set<unknown>()
  const readers: ValueReaders = {
    variable: (name) => environment[name],
    file(name) {
      const file = readSecretFile(inFolder(name))
      if (file?.isExposed) exposed.add(name)
      return file?.text ?? null
    },
    keyFile: (name) => readKeyFile(inFolder(name)),
  }
  const schema = configFileSchema(readers, sourceKinds)
  const { data, error } = schema.safeParse(read.json)
  const members = [...(error ? invalidMembers(error) : []), ...wrongReferences(read.json, named)]
  if (data && members.length === 0) {
    const warnings = membersWith(exposed, read.json).map((member) => mistakeAt(member, EXPOSED))
    return { file: data, mistakes: [], warnings }
  }
  return { file: null, mistakes: members.map(({ member, expected }) => mistakeAt(member, expected)) }
}

/** The members, such as `secretFile`, that name one of these files. */
function membersWith(files: ReadonlySet<unknown>, json: unknown, path: PropertyKey[] = []): string[] {
  if (typeof json !== 'object' || json === null) {
    const isFile = path.slice(-2).some((name) => /Files?$/.test(String(name)))
    return isFile && files.has(json) ? [pointer(path)] : []
  }
  return Object.entries(json).flatMap(([name, value]) => membersWith(files, value, [...path, name]))
}

function readJson(path: string): { json: unknown } | { mistake: string } {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) return { mistake: 'expected the path of a readable file' }
    if (isWritableByOthers(stats)) return { mistake: WRITABLE }
    if (stats.size > LARGEST_FILE_BYTES) return { mistake: 'expected a file of at most 16 MiB' }
    // Some editors write a byte order mark.
    return { json: JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, '')) }
  } catch (error) {
    if (!(error instanceof SyntaxError)) return { mistake: 'expected the path of a readable file' }
    // Only the position is safe to report: the rest of the message quotes the file.
    const place = /\(line \d+ column \d+\)/.exec(error.message)?.[0]
    return { mistake: `expected JSON${place ? ` ${place}` : ''}` }
  }
}

const TEXT_LENGTH = 300

/**
 * A position in the file and the expected value. zod's messages may start with the kind of mistake; this part is
 * removed.
 */
function mistakeAt(member: string, message: string): Mistake {
  return {
    key: `CONFIG_FILE ${member}`.slice(0, TEXT_LENGTH),
    expected: message.replace(/^[A-Z][\w ]*: (?=expected )/, ''),
  }
}

/** The configuration in the file. `defaults` apply to the tenants that do not set their own. */
export function fromFile(
  { clients, tenants, apiKeys, webhookSecrets, sources, receivers, receiverNetworks }: ConfigFile,
  defaults: TenantDefaults,
): FilePart {
  const toTenant = (tenant: ConfigFile['tenants'][number]): TenantConfig => {
    const [first = tenant, ...others] = (tenant.clients ?? [tenant.client ?? []].flat()).flatMap(
      (name) => clients[name] ?? [],
    )
    const toClient = (client: typeof first): ClientConfig => ({
      // The schema and wrongReferences ensure that these are set.
      clientId: client.clientId ?? '',
      credentials: entryCredentials(client) ?? [{ kind: 'secret', secret: '' }],
      scope: tenant.scope ?? client.scope ?? defaults.scope,
    })
    return {
      name: tenant.name,
      origin: new URL(tenant.url).origin,
      clients: [toClient(first), ...others.map(toClient)],
      apiVersion: tenant.apiVersion ?? defaults.apiVersion,
      tier1Limit: tenant.tier1Limit ?? defaults.tier1Limit,
      tier2Limit: tenant.tier2Limit ?? defaults.tier2Limit,
      windowMs: tenant.rateWindowMs ?? defaults.windowMs,
      timeoutMs: tenant.timeoutMs ?? defaults.timeoutMs,
      concurrency: tenant.concurrency ?? defaults.concurrency,
    }
  }
  // Without duplicates: a signal of a sender for a single tenant need not name the tenant.
  const restrictedTo = (names: string[] | undefined) => (names ? [...new Set(names)] : null)
  return {
    tenants: tenants.map(toTenant),
    sources,
    receivers: toReceivers(receivers, receiverNetworks),
    senders: {
      apiKeys: apiKeys.map((one, index) => ({
        name: one.name ?? `apiKeys[${index}]`,
        digest: digestOfConfigured(one.key ?? one.keyFile ?? ''),
        roles: one.roles ? [...new Set(one.roles)] : ROLES,
        tenants: restrictedTo(one.tenants),
        notBefore: one.notBefore ?? null,
        expiresAt: one.expiresAt ?? null,
        ...exemption(one),
      })),
      webhookSecrets: webhookSecrets.map((one, index) => ({
        name: one.name ?? `webhookSecrets[${index}]`,
        secret: one.secret ?? one.secretFile ?? '',
        tenants: restrictedTo(one.tenants),
        ...exemption(one),
      })),
    },
    warnings: [...warningsOf('clients', clients), ...warningsOf('tenants', tenants)],
  }
}

function exemption({ massRevocation }: { massRevocation?: boolean | undefined }): { massRevocation?: true } {
  return massRevocation === true ? { massRevocation } : {}
}

/** Private keys in files that every user of the machine can read. */
function warningsOf(list: string, entries: Record<string, CredentialEntry> | CredentialEntry[]): Mistake[] {
  return Object.entries(entries).flatMap(([name, { privateKeys = [] }]) =>
    privateKeys.flatMap(({ isExposed }, index) => {
      const member = pointer([list, name, 'privateKeys', index, 'keyFile'])
      return isExposed ? [mistakeAt(member, EXPOSED)] : []
    }),
  )
}

/**
 * Finds entries of the file that duplicate another entry, in the file or outside it. The same client of a tenant under
 * two names would have two budgets, but Qlik counts one. Two entries for a secret could restrict it to different
 * tenants.
 * @param own the configuration outside the file
 */
export function clashesOf(own: FilePart, file: FilePart): Mistake[] {
  const twice = <T>(
    list: string,
    mine: T[],
    others: T[],
    keysOf: (item: T) => string[],
    expected: string,
  ) => {
    const known = new Set(others.flatMap(keysOf))
    return mine.flatMap((item, index): Mistake[] => {
      const keys = keysOf(item)
      const isTwice = new Set(keys).size < keys.length || keys.some((key) => known.has(key))
      for (const key of keys) known.add(key)
      return isTwice ? [mistakeAt(pointer([list, index]), expected)] : []
    })
  }
  const tenantKeys = ({ origin, clients }: TenantConfig) =>
    clients.map(({ clientId }) => JSON.stringify([origin, clientId]))
  const { senders } = file
  return [
    ...twice(
      'tenants',
      file.tenants,
      own.tenants,
      tenantKeys,
      'expected another url or client than in an earlier entry',
    ),
    ...twice(
      'apiKeys',
      senders.apiKeys,
      own.senders.apiKeys,
      ({ digest }) => [digest],
      'expected another key than in an earlier entry',
    ),
    ...twice(
      'webhookSecrets',
      senders.webhookSecrets,
      own.senders.webhookSecrets,
      ({ secret }) => [secret],
      'expected another secret than in an earlier entry',
    ),
  ]
}
