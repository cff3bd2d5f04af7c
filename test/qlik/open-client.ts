import { createServer, type RequestListener } from 'node:http'
import type { Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { Log } from '../../src/base/log.ts'
import { openBudget } from '../../src/qlik/budget/open-budget.ts'
import { QlikClient } from '../../src/qlik/client.ts'
import { QlikHttp } from '../../src/qlik/http.ts'
import { openTenant } from '../../src/qlik/open-tenant.ts'
import type { PoolClient } from '../../src/qlik/pool-client.ts'
import type { HttpQlikTenant } from '../../src/qlik/tenant.ts'
import type { ClientConfig, ClientCredential, ClientCredentials } from '../../src/qlik/tenant-config.ts'
import { TokenMemory } from '../../src/qlik/token-memory.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { listen } from '../support/listen.ts'

export const SIGNAL = new AbortController().signal
/** The first page of a user's tokens. */
export const FIRST = { userId: 'u1', page: null }

/** A client of the tenant at this address, and a function that gets an access token; closed with the test. */
export function clientOf(
  t: Test,
  origin: string,
  { clientId, credential }: { clientId: string; credential: ClientCredential } = {
    clientId: 'c',
    credential: secret('s'),
  },
  timeoutMs = 5_000,
) {
  const http = new QlikHttp({
    origin,
    apiVersion: '2026-11',
    timeoutMs,
    clock: systemClock,
    onCall: () => {},
  })
  t.teardown(() => http.close())
  const client = new QlikClient(http, { clientId, scope: 'admin_classic' })
  return { http, client, requestAccessToken: () => client.requestAccessToken(credential, SIGNAL) }
}

export const secret = (text: string): ClientCredential => ({ kind: 'secret', secret: text })

const NO_PERMITS = {
  history: async () => ({ permits: [], blockedUntil: null }),
  note: async () => {},
  block: async () => {},
  unblock: async () => {},
}
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** The tenant at this address, with a budget of 10 calls per tier that no store records. */
export function tenantAt(
  origin: string,
  clientId: string,
  credentials: ClientCredentials,
  { log = SILENT, note = NO_PERMITS.note }: { log?: Log; note?: () => Promise<void> } = {},
) {
  const limits = { tier1Limit: 10, tier2Limit: 10, windowMs: 60_000, timeoutMs: 5_000, concurrency: 4 }
  const clients = [{ clientId, credentials, scope: 'admin_classic' }] as const
  const config = { name: 'default', origin, apiVersion: '2026-11', clients, ...limits }
  const memory = new TokenMemory(systemClock)
  const options = { permits: { ...NO_PERMITS, note }, memory, clock: systemClock, log }
  const budgetOf = (client: ClientConfig) => openBudget(config, client, options)
  return openTenant(config, { ...options, budgetOf, onCall: () => {} })
}

/** The client of a tenant that has only one. */
export function onlyClient({ pool }: Pick<HttpQlikTenant, 'pool'>): PoolClient {
  const [client] = pool.clients
  if (!client) throw new Error('the tenant has no client')
  return client
}

/** A client of a sandbox, with an access token. */
export async function withSandbox(t: Test, options: SandboxOptions = {}, timeoutMs?: number) {
  const sandbox = await startSandbox(options)
  t.teardown(() => sandbox.close())
  const { id, userId, ...row } = sandbox.tenant.addClient()
  const made = clientOf(t, sandbox.url, { clientId: id, credential: secret(row.secret) }, timeoutMs)
  const { value: accessToken, lifetimeMs } = await made.requestAccessToken()
  return { ...made, sandbox, tenant: sandbox.tenant, accessToken, lifetimeMs, botId: userId }
}

/** A tenant with responses defined by the test, for cases the sandbox does not cover. */
export async function withAnswer(t: Test, listener: RequestListener) {
  const server = createServer(listener)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return clientOf(t, `http://127.0.0.1:${await listen(server)}`).client
}

export const json = (body: unknown, status = 200, headers = {}): RequestListener => {
  return (_request, response) => response.writeHead(status, headers).end(JSON.stringify(body))
}
