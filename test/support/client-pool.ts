import type { Test } from 'tap'
import type { LimitStore } from '../../src/qlik/budget/permit-log.ts'
import type { ClientConfig, TenantConfig } from '../../src/qlik/tenant-config.ts'
import { Tenants } from '../../src/qlik/tenants.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient } from '../../src/sandbox/tenant.ts'
import { type FakeClock, fakeClock } from './clock.ts'

export const CALL = { signal: new AbortController().signal, urgency: 0 }

/** A tenant with several clients, against a sandbox. The clock stands still until the test moves it. */
export async function openPool(
  t: Test,
  {
    count = 2,
    tier2Limit = 10,
    concurrency = 4,
    limits = forgetful(),
    clock = fakeClock(),
    curfewLimit = tier2Limit,
    ...options
  }: SandboxOptions & {
    count?: number
    curfewLimit?: number
    concurrency?: number
    clock?: FakeClock
    limits?: LimitStore
  } = {},
) {
  const sandbox = await startSandbox({ now: clock.now, tier2Limit, tenantLimitShare: null, ...options })
  const clients = Array.from({ length: count }, () => sandbox.tenant.addClient())
  const configOf = (clients: readonly SandboxClient[]): TenantConfig => {
    const [first, ...others] = clients.map(clientConfigOf)
    if (!first) throw new Error('a tenant needs a client')
    return {
      ...{ name: 'acme', origin: sandbox.url, clients: [first, ...others], apiVersion: '2026-11' },
      ...{ tier1Limit: 100, tier2Limit: curfewLimit, windowMs: 300_000, timeoutMs: 60_000, concurrency },
    }
  }
  const lines: { msg: string; client?: string; limit?: number }[] = []
  const note = (details: object, msg: string) => void lines.push({ ...details, msg })
  const tenants = new Tenants([configOf(clients)], {
    permits: {
      history: async () => ({ permits: [], blockedUntil: null }),
      note: async () => {},
      block: async () => {},
      unblock: async () => {},
      ...limits,
    },
    clock,
    log: { info: note, warn: note, error: note },
    onCall: () => {},
  })
  t.teardown(async () => {
    await tenants.stop()
    await sandbox.close()
  })
  const tenant = tenants.get('acme')
  if (!tenant) throw new Error('the tenant is configured')
  const revoked = (clientId: string) => {
    const userId = sandbox.tenant.clients.get(clientId)?.userId
    return sandbox.tenant.calls.filter((call) => call.route === 'revoke' && call.userId === userId).length
  }
  return {
    ...{ sandbox, clients, tenants, tenant, clock, lines },
    /** Changes which clients the tenant has. */
    reload: (clients: readonly SandboxClient[]) => tenants.replace([configOf(clients)]),
    /** The number of deletes that a client made. */
    revoked,
    /** The number of responses with 429. */
    refusals: () => sandbox.tenant.calls.filter(({ status }) => status === 429).length,
    /** Resolves when every client has been checked. */
    async checked() {
      await Promise.allSettled(clients.map(({ id }) => tenant.power({ ...CALL, client: id })))
    },
    /** Adds a user with this many tokens; returns their ids. */
    tokens(count: number): string[] {
      const { id } = sandbox.tenant.addUser()
      return sandbox.tenant.issueTokens(id, count).map((token) => token.id)
    },
  }
}

function forgetful(): LimitStore {
  return { learnedLimits: async () => [], learnLimit: async () => {} }
}

function clientConfigOf({ id, secret }: SandboxClient): ClientConfig {
  return { clientId: id, credentials: [{ kind: 'secret', secret }], scope: 'admin_classic' }
}
