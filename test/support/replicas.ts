import type { Test } from 'tap'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { PostgresServer } from './postgres.ts'
import { type ServiceProcess, startProcess } from './process.ts'
import { environmentFor, type Reply, request, settledAt } from './service.ts'

/** The role's password in the database URL. */
export const PASSWORD = 'not-to-be-seen'

/** A tenant, an empty database, and the processes that a test starts on it. */
export interface Replicas {
  sandbox: Sandbox
  start(more?: Record<string, string>): Promise<ServiceProcess>
  /** Adds a user with `count` tokens and returns the id. */
  userWithTokens(count: number): string
  /** Signals answered with 202: users by revocation id. */
  acknowledged: Map<string, string>
  /** Sends a signal, and adds it to `acknowledged` if it is accepted. */
  accept(service: { url: string; output?: () => string }, userId: string): Promise<Reply>
  /** Asserts that every acknowledged revocation completes and that no token of those users is left. */
  proveRevoked(t: Test, service: { url: string }): Promise<void>
}

export interface ReplicasOptions {
  server: PostgresServer
  /** Changes the database URL. */
  through?: (url: string) => string
  latencyMs?: number
}

/** With limits that never apply, so that a test depends only on the database. */
export async function setUpReplicas(t: Test, options: ReplicasOptions): Promise<Replicas> {
  const { server, through = (url) => url, latencyMs = 20 } = options
  const sandbox = await startSandbox({ latencyMs, tier1Limit: 1_000_000, tier2Limit: 1_000_000 })
  t.teardown(() => sandbox.close())
  const url = new URL(through(await server.createDatabase()))
  url.password ||= PASSWORD
  const environment = environmentFor(sandbox, sandbox.tenant.addClient(), url.href, {
    QLIK_TIER1_LIMIT: '1000000',
    QLIK_TIER2_LIMIT: '1000000',
  })
  const acknowledged = new Map<string, string>()
  return {
    sandbox,
    start: (more = {}) => startProcess(t, { ...environment, ...more }),
    userWithTokens(count) {
      const { id } = sandbox.tenant.addUser()
      sandbox.tenant.issueTokens(id, count)
      return id
    },
    acknowledged,
    async accept(service, userId) {
      const sent = request(service.url, 'POST', '/logout-hook', { body: { userId } })
      const reply = await sent.catch((cause: unknown) => {
        throw new Error(`no answer from the service, whose output is: ${service.output?.()}`, { cause })
      })
      if (reply.status === 202) acknowledged.set(reply.json.id, userId)
      return reply
    },
    async proveRevoked(t, service) {
      for (const id of acknowledged.keys()) {
        const { json } = await settledAt(service.url, id)
        if (json.status !== 'completed' || !json.verified) t.fail(`${id} is lost`, { found: json })
      }
      const alive = [...acknowledged.values()].filter((userId) => sandbox.tenant.tokensOf(userId).length > 0)
      t.same(alive, [], `${acknowledged.size} users have lost their tokens`)
    },
  }
}

export async function isReady({ url }: { url: string }): Promise<boolean> {
  return (await request(url, 'GET', '/health/ready')).status === 200
}

/** Asserts that the answer is that of a service without its database. */
export function proveRefused(t: Test, { status, headers, json }: Reply): void {
  t.equal(status, 503)
  t.match(headers.get('content-type'), 'application/problem+json')
  t.equal(json.code, 'CURFEW_STORE_UNAVAILABLE')
  t.match(headers.get('retry-after'), /^[1-9]\d*$/)
}
