import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type AppOptions, buildApp } from '../../src/app.ts'
import type { Clock } from '../../src/base/clock.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { parts } from '../../src/parts.ts'
import type { RevocationView } from '../../src/revocation/revocation-view.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient, SandboxUser } from '../../src/sandbox/tenant.ts'
import { testClock } from './clock.ts'
import { fastFolder } from './memory.ts'

export const API_KEY = 'test-api-key-0123456789abcdef'
export const OTHER_API_KEY = 'other-api-key-0123456789abcdef'
export const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

/** A temporary folder, deleted with the test. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(fastFolder(), 'curfew-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A temporary folder with these files, as for secrets: contents by name. Creates the folders in between. */
export function folderWith(t: Test, files: Record<string, string>): string {
  const folder = temporaryFolder(t)
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content, { mode: 0o600 })
  }
  return folder
}

export interface ServiceOptions extends AppOptions {
  sandbox?: SandboxOptions
  client?: Parameters<Sandbox['tenant']['addClient']>[0]
  /** Added to the service's environment. */
  environment?: Record<string, string>
  /** An existing sandbox and client, for a second service against the same tenant. */
  share?: Pick<Service, 'sandbox' | 'client'> & { clock?: Clock }
}

export interface Service {
  app: FastifyInstance
  url: string
  /** The operators' listener, if the environment has OPS_PORT. */
  operatorsUrl: string | null
  sandbox: Sandbox
  client: SandboxClient
  /** The clock of the service and of its sandbox. */
  clock: Clock
  /** All log lines, at every level. */
  logLines: string[]
  environment: Record<string, string>
  /** Adds a user with `count` tokens to the tenant. */
  userWithTokens(count: number, user?: Partial<SandboxUser>): SandboxUser
  /** Sends a request with an API key; `body` is sent as JSON. */
  call(method: string, path: string, options?: CallOptions): Promise<Reply>
  /** Posts a signal and waits until its revocation has ended and was confirmed. */
  revoke(body: object, path?: string): Promise<RevocationView>
  /** Waits until a revocation has ended. */
  ended(id: string): Promise<RevocationView>
  /** Waits until a revocation has ended and was confirmed; moves the service's clock ahead until that is due. */
  settled(id: string): Promise<RevocationView>
  /** All revocations, the newest first. */
  stored(): Promise<Reply['json'][]>
  /** The samples of `curfew_signals_total` above 0: `source result`, and the count. */
  counts(): Promise<Record<string, number>>
}

interface CallOptions {
  body?: unknown
  headers?: Record<string, string>
}

export interface Reply {
  status: number
  headers: Headers
  text: string
  // Answers have many shapes.
  // biome-ignore lint/suspicious/noExplicitAny: a test's view of JSON
  json: any
}

/** Starts the real service and a sandbox tenant on loopback HTTP. Both close with the test. */
export async function startService(t: Test, options: ServiceOptions = {}): Promise<Service> {
  const { environment = {}, sandbox: sandboxOptions, client: clientOptions, share, ...appOptions } = options
  const clock = appOptions.clock ?? share?.clock ?? testClock
  const sandbox = share?.sandbox ?? (await startSandbox({ now: clock.now, ...sandboxOptions }))
  const client = share?.client ?? sandbox.tenant.addClient(clientOptions)
  const fullEnvironment = environmentFor(
    sandbox,
    client,
    environment.DATABASE_URL ?? databaseUrl(t),
    environment,
  )
  const logLines: string[] = []
  const load = () => loadConfig(fullEnvironment, parts.sources)
  const app = await buildApp(await load(), {
    parts,
    load,
    logStream: { write: (line) => void logLines.push(line) },
    ...appOptions,
    clock,
  })
  t.teardown(async () => {
    await app.close()
    if (!share) await sandbox.close()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const operatorsUrl = await app.listenForOperators()
  const url = app.listeningOrigin
  const call: Service['call'] = (method, path, callOptions) => request(url, method, path, callOptions)
  const ended: Service['ended'] = (id) => untilEnded(call, id)
  const settled: Service['settled'] = (id) => untilSettled(call, clock, id)
  return {
    app,
    url,
    operatorsUrl,
    sandbox,
    client,
    clock,
    logLines,
    environment: fullEnvironment,
    call,
    ended,
    settled,
    userWithTokens(count, user) {
      const row = sandbox.tenant.addUser(user)
      sandbox.tenant.issueTokens(row.id, count)
      return row
    },
    async revoke(body, path = '/logout-hook') {
      const { status, json, text } = await call('POST', path, { body })
      if (status !== 202) throw new Error(`expected 202, got ${status}: ${text}`)
      return settled(json.id)
    },
    stored: async () => (await call('GET', '/revocations?limit=200')).json.items,
    async counts() {
      const { text } = await call('GET', '/metrics')
      const samples = text.matchAll(/^curfew_signals_total\{source="(.*)",result="(.*)"\} (\d+)$/gm)
      return Object.fromEntries(
        [...samples]
          .filter(([, , , count]) => count !== '0')
          .map(([, source, result, count]) => [`${source} ${result}`, Number(count)]),
      )
    },
  }
}

export function databaseUrl(t: Test): string {
  return `sqlite:${join(temporaryFolder(t), 'curfew.db')}`
}

/** A valid environment of a service for this tenant. */
export function environmentFor(
  sandbox: Pick<Sandbox, 'url'>,
  client: Pick<SandboxClient, 'id' | 'secret'>,
  database: string,
  more: Record<string, string> = {},
): Record<string, string> {
  return {
    QLIK_TENANT_URL: sandbox.url,
    QLIK_CLIENT_ID: client.id,
    QLIK_CLIENT_SECRET: client.secret,
    API_KEYS: `${API_KEY},${OTHER_API_KEY}`,
    WEBHOOK_SECRETS: WEBHOOK_SECRET,
    DATABASE_URL: database,
    PORT: '0',
    LOG_LEVEL: 'trace',
    // Tests send many bad requests from one address.
    MAX_FAILED_AUTHENTICATIONS: '0',
    ...more,
  }
}

/** Sends one HTTP request, with the test's API key unless `authorization` is given; an empty one sends none. */
export async function request(
  url: string,
  method: string,
  path: string,
  { body, headers = {} }: CallOptions = {},
): Promise<Reply> {
  const all: Record<string, string> = { authorization: `Bearer ${API_KEY}`, ...headers }
  if (all.authorization === '') delete all.authorization
  if (body !== undefined) all['content-type'] ??= 'application/json'
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const content = body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }
  const response = await fetch(`${url}${path}`, { method, headers: all, redirect: 'manual', ...content })
  const text = await response.text()
  const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null }
}

/** Waits until a revocation of a service with a real clock has ended and was confirmed. */
export async function settledAt(url: string, id: string): Promise<Reply> {
  for (;;) {
    const reply = await request(url, 'GET', `/revocations/${id}`, { headers: { prefer: 'wait=30' } })
    const { status, verificationDueAt } = reply.json
    if (status === 'failed' || (status === 'completed' && verificationDueAt === null)) return reply
  }
}

/**
 * Waits with `Prefer: wait`, repeatedly if one wait is too short. Looks without it first: for a revocation that has ended,
 * the preference waits until it is confirmed, which takes several seconds on a real clock.
 */
async function untilEnded(call: Service['call'], id: string): Promise<RevocationView> {
  for (let headers = {}; ; headers = { prefer: 'wait=30' }) {
    const { json } = await call('GET', `/revocations/${id}`, { headers })
    if (json.status === 'completed' || json.status === 'failed') return json
  }
}

/** After this time, a token that was granted within the leeway is listed. */
const LEEWAY_MS = 6_500

/** Moves a test's clock ahead until the confirming listing is due; waits on a real clock. */
async function untilSettled(call: Service['call'], clock: Clock, id: string): Promise<RevocationView> {
  for (;;) {
    const ended = await untilEnded(call, id)
    if (ended.status !== 'completed' || ended.verificationDueAt === null) return ended
    if ('skip' in clock && typeof clock.skip === 'function') clock.skip(LEEWAY_MS)
    else if ('advance' in clock && typeof clock.advance === 'function') clock.advance(LEEWAY_MS)
    const { json } = await call('GET', `/revocations/${id}`, { headers: { prefer: 'wait=30' } })
    if (json.verificationDueAt === null && json.status !== 'queued' && json.status !== 'running') return json
  }
}
