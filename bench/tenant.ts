import { basename } from 'node:path'
import { z } from 'zod'
import { type SandboxCall, startSandbox } from '../src/sandbox/sandbox.ts'
import { ask, type Bench, CLIENT, startChild, UNLIMITED } from './support.ts'

/** The arguments of a process with sandbox tenants, as JSON. */
export const TenantSettings = z.object({
  latencyMs: z.number(),
  /** How long a token stays in listings after it was revoked. */
  lagAfterRevokeMs: z.number(),
  tier1Limit: z.int(),
  tier2Limit: z.int(),
  windowMs: z.int(),
  /** See the sandbox's setting. Null: a tenant with so many users that its own limit is never reached. */
  tenantLimitShare: z.number().nullable(),
  clients: z.array(z.object({ id: z.string(), secret: z.string() })),
})
type TenantSettings = z.infer<typeof TenantSettings>
export type TenantOptions = Partial<TenantSettings>

/** The defaults: no latency, one client, and limits that are never reached. */
export function tenantSettings(options: TenantOptions): TenantSettings {
  const limits = { tier1Limit: UNLIMITED, tier2Limit: UNLIMITED, windowMs: 300_000 }
  return {
    ...{ latencyMs: 0, lagAfterRevokeMs: 0, tenantLimitShare: 0.5, clients: [CLIENT] },
    ...limits,
    ...options,
  }
}

/** Messages to the process. */
const TenantOrder = z.union([
  /** Adds a user with this number of tokens; the answer is the user's id. */
  z.object({ userWithTokens: z.int() }),
  /** Returns the calls since the last such message. */
  z.object({ calls: z.literal(true) }),
  /** Returns what is left of these users. */
  z.object({ remainsOf: z.array(z.string()) }),
])
type TenantOrder = z.infer<typeof TenantOrder>

/** A call as the tenant measures it: from its arrival to the end of its response. */
const TenantCall = z.object({ route: z.string(), status: z.int().nullable(), ms: z.number() })
export type TenantCall = z.infer<typeof TenantCall>

const Remains = z.object({
  tokens: z.int(),
  /** When the last revoked token was revoked, in ms since the epoch; null if none was. */
  lastRevokedAt: z.number().nullable(),
})

/** The names of the tenant's users other than their ids. */
export const emailOf = (userId: string) => `${userId}@example.com`
export const subjectOf = (userId: string) => `idp|${userId}`

export type Tenant = Awaited<ReturnType<typeof startTenant>>

/** Starts the sandbox tenant in its own process, so that it does not share an event loop with the measurement. */
export async function startTenant(bench: Bench, options: TenantOptions = {}) {
  const child = await startChild(bench, 'bench/tenant.ts', {
    args: [JSON.stringify(tenantSettings(options))],
  })
  const askFor = (order: TenantOrder) => ask(child, order)
  return {
    ...child,
    /** Adds a user with `count` tokens and returns the id. */
    userWithTokens: async (count: number) => z.string().parse(await askFor({ userWithTokens: count })),
    /** The calls since the last request for them. */
    calls: async () => z.array(TenantCall).parse(await askFor({ calls: true })),
    /** What is left of each of these users, in the same order. */
    remainsOf: async (ids: string[]) => z.array(Remains).parse(await askFor({ remainsOf: ids })),
  }
}

if (import.meta.main) {
  const { clients, ...settings } = TenantSettings.parse(JSON.parse(String(process.argv[2])))
  const { url, tenant } = await startSandbox(settings)
  for (const client of clients) tenant.addClient(client)
  const arrivedAt = new Map<SandboxCall, number>()
  let calls: TenantCall[] = []
  const lastRevokedAt = new Map<string, number>()
  const ownerOf = new Map<string, string>()
  tenant.onCall((phase, call) => {
    const now = performance.now()
    if (phase === 'arrived') arrivedAt.set(call, now)
    else calls.push({ route: call.route, status: call.status, ms: now - (arrivedAt.get(call) ?? now) })
    if (phase !== 'answered') return
    arrivedAt.delete(call)
    const owner = call.route === 'revoke' && call.status === 204 && ownerOf.get(basename(call.path))
    if (owner) lastRevokedAt.set(owner, Date.now())
  })
  process.on('message', (message) => {
    const order = TenantOrder.parse(message)
    if ('calls' in order) {
      process.send?.(calls)
      calls = []
      return
    }
    if ('remainsOf' in order) {
      const remains = order.remainsOf.map((id) => ({
        tokens: tenant.tokensOf(id).length,
        lastRevokedAt: lastRevokedAt.get(id) ?? null,
      }))
      process.send?.(remains)
      return
    }
    const user = tenant.addUser()
    user.email = emailOf(user.id)
    for (const token of tenant.issueTokens(user.id, order.userWithTokens)) ownerOf.set(token.id, user.id)
    process.send?.(user.id)
  })
  process.once('SIGTERM', () => process.exit(0))
  process.send?.({ url })
}
