import { z } from 'zod'
import { type SandboxCall, startSandbox } from '../src/sandbox/sandbox.ts'

/** What the tenant's process is started with, as JSON. */
export const TenantSettings = z.object({
  latencyMs: z.number(),
  tier1Limit: z.int(),
  tier2Limit: z.int(),
  windowMs: z.int(),
  client: z.object({ id: z.string(), secret: z.string() }),
})
export type TenantSettings = z.infer<typeof TenantSettings>

/** What it may be asked; one question at a time. */
export const TenantOrder = z.union([
  /** A new user with so many tokens: the answer is the user's id. */
  z.object({ userWithTokens: z.int() }),
  /** The calls since this was asked last. */
  z.object({ calls: z.literal(true) }),
])
export type TenantOrder = z.infer<typeof TenantOrder>

/** A call as the tenant saw it: from its arrival to the end of its answer. */
export const TenantCall = z.object({ route: z.string(), status: z.int().nullable(), ms: z.number() })
export type TenantCall = z.infer<typeof TenantCall>

if (import.meta.main) {
  const { client, ...settings } = TenantSettings.parse(JSON.parse(String(process.argv[2])))
  const { url, tenant } = await startSandbox(settings)
  tenant.addClient(client)
  const arrivedAt = new Map<SandboxCall, number>()
  let calls: TenantCall[] = []
  tenant.onCall((phase, call) => {
    const now = performance.now()
    if (phase === 'arrived') arrivedAt.set(call, now)
    else calls.push({ route: call.route, status: call.status, ms: now - (arrivedAt.get(call) ?? now) })
    if (phase === 'answered') arrivedAt.delete(call)
  })
  process.on('message', (message) => {
    const order = TenantOrder.parse(message)
    if ('calls' in order) {
      process.send?.(calls)
      calls = []
      return
    }
    const { id } = tenant.addUser()
    tenant.issueTokens(id, order.userWithTokens)
    process.send?.(id)
  })
  process.once('SIGTERM', () => process.exit(0))
  process.send?.({ url })
}
