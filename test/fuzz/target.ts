import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { type Issuer, openIssuer } from '../../src/sandbox/identity-provider/issuer.ts'
import { issuerKey } from '../../src/sandbox/identity-provider/signing-key.ts'
import { TOKEN_KIND_NAMES } from '../../src/sandbox/identity-provider/token-kinds.ts'
import { VENDORS } from '../../src/sandbox/identity-provider/vendors.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'

const MAIN = join(import.meta.dirname, 'service.ts')
export const AUDIENCE = 'curfew-fuzz'
const ADMIN = 'fuzz-admin-key-0123456789abcdef'
const KEYS = {
  admin: ADMIN,
  signal: 'fuzz-signal-key-0123456789abcdef',
  read: 'fuzz-read-key-0123456789abcdef',
  restricted: 'fuzz-restricted-key-0123456789abcdef',
}
const EXPIRED_KEY = 'fuzz-expired-key-0123456789abcdef'
/** More than are tried first. */
const WEBHOOK_SECRETS = Array.from(
  { length: 40 },
  (_, index) => `whsec_${Buffer.alloc(32, index + 1).toString('base64')}`,
)
/** A limit of Qlik Cloud would be reached at once. */
const MANY = '1000000'

/** Memory of the service after a garbage collection, in MB. */
export interface MemoryReport {
  /** Of the heap, and of buffers outside of it. */
  usedMb: number
  residentMb: number
}
const NO_MEMORY: MemoryReport = { usedMb: 0, residentMb: 0 }

/** What generators know about the service, valid credentials included. */
export interface Known {
  issuer: Pick<Issuer, 'url' | 'sign' | 'key'>
  apiKeys: readonly [string, ...string[]]
  expiredKey: string
  webhookSecrets: readonly string[]
  /** The valid content of CONFIG_FILE. */
  configuration: object
}

/** The service in its own process, with a simulated tenant and issuer. */
export interface Target extends Known {
  url: string
  adminKey: string
  database: string
  memory(): Promise<MemoryReport>
  /** Null while the process runs. */
  exit(): string | null
  /** Lines of the log that report a fault, or contain a secret. */
  faults: string[]
  /** Lines of the log by message. */
  lines: ReadonlyMap<string, number>
  configure(content: string): void
  /** Ends the service, so that its database can be read. */
  stop(): Promise<void>
  close(): Promise<void>
}

export async function startTarget(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-fuzz-'))
  const issuer = await openIssuer({ key: await issuerKey('k1') })
  const sandbox = await startSandbox({ tier1Limit: Number(MANY), tier2Limit: Number(MANY) })
  const client = sandbox.tenant.addClient()
  const configuration = configurationFor(issuer)
  const file = join(folder, 'curfew.json')
  const configure = (content: string) => writeFileSync(file, content, { mode: 0o600 })
  configure(JSON.stringify(configuration))
  const database = join(folder, 'curfew.db')
  const service = fork(MAIN, {
    env: {
      PATH: process.env.PATH,
      QLIK_TENANT_URL: sandbox.url,
      QLIK_CLIENT_ID: client.id,
      QLIK_CLIENT_SECRET: client.secret,
      QLIK_TIER1_LIMIT: MANY,
      QLIK_TIER2_LIMIT: MANY,
      API_KEYS: ADMIN,
      CONFIG_FILE: file,
      DATABASE_URL: `sqlite:${database}`,
      TRUST_PROXY: 'loopback',
      PORT: '0',
      LOG_LEVEL: 'info',
    },
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const faults: string[] = []
  const lines = new Map<string, number>()
  const secrets = [
    ...Object.values(KEYS),
    EXPIRED_KEY,
    ...WEBHOOK_SECRETS,
    ...VENDORS.map(({ secret }) => secret),
  ]
  if (service.stdout)
    createInterface(service.stdout).on('line', (line) => {
      const { level, msg } = JSON.parse(line)
      lines.set(msg, (lines.get(msg) ?? 0) + 1)
      const isExpected = String(msg).startsWith('configuration not reloaded')
      if ((level >= 50 && !isExpected) || secrets.some((secret) => line.includes(secret))) faults.push(line)
    })
  let exit: string | null = null
  const exited = once(service, 'exit').then(([code, signal]) => {
    exit = `code ${code}, signal ${signal}`
  })
  const message = await Promise.race([once(service, 'message'), exited.then(() => null)])
  if (!message) throw new Error('the service did not start')
  const stop = async (signal: NodeJS.Signals) => {
    if (exit === null) service.kill(signal)
    await exited
  }
  return {
    ...{ issuer, configuration, configure, database, faults, lines },
    url: message[0].url,
    apiKeys: [KEYS.admin, KEYS.signal, KEYS.read, KEYS.restricted],
    expiredKey: EXPIRED_KEY,
    webhookSecrets: WEBHOOK_SECRETS,
    adminKey: ADMIN,
    async memory() {
      const reported = once(service, 'message')
      service.send('memory')
      const [report] = await Promise.race([reported, exited.then(() => [NO_MEMORY])])
      return report
    },
    exit: () => exit,
    stop: () => stop('SIGTERM'),
    async close() {
      await stop('SIGKILL')
      issuer.close()
      await sandbox.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function configurationFor({ url, jwksUri }: Issuer): object {
  const issuers = TOKEN_KIND_NAMES.map((kind) => ({
    name: kind,
    kind,
    issuer: url,
    audience: AUDIENCE,
    jwksUri,
  }))
  const vendors = VENDORS.map(({ kind, secret, entry }) => ({ name: kind, kind, secret, ...entry }))
  return {
    apiKeys: [
      { name: 'signal', key: KEYS.signal, roles: ['signal', 'sessions'] },
      { name: 'read', key: `sha256:${digestOfKey(KEYS.read)}`, roles: ['read'] },
      { name: 'restricted', key: KEYS.restricted, tenants: ['default'] },
      { name: 'expired', key: EXPIRED_KEY, expiresAt: '2026-01-01T00:00:00Z' },
    ],
    webhookSecrets: WEBHOOK_SECRETS.map((secret, index) => ({ name: `secret-${index}`, secret })),
    sources: [...issuers, ...vendors],
  }
}
