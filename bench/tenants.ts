import { z } from 'zod'
import { type Sandbox, startSandbox } from '../src/sandbox/sandbox.ts'
import { ask, type Bench, startChild } from './support.ts'
import { type TenantOptions, TenantSettings, tenantSettings } from './tenant.ts'

const Settings = TenantSettings.extend({ tenants: z.int() })

/** Messages to the process. */
const Order = z.union([
  z.object({ origins: z.literal(true) }),
  /** Adds users to one tenant, each with `tokens` tokens; the answer is their ids. */
  z.object({ tenant: z.int(), users: z.int(), tokens: z.int() }),
  /** Returns the calls since the start, by route and status. */
  z.object({ counts: z.literal(true) }),
  /** Returns when each user's tokens were first listed since the last such message, in ms since the epoch. */
  z.object({ firstListed: z.literal(true) }),
])
const Counts = z.record(z.string(), z.int())
const Times = z.record(z.string(), z.number())

export type Tenants = Awaited<ReturnType<typeof startTenants>>

/** Starts many sandbox tenants in one child process, each with its own address. */
export async function startTenants(
  bench: Bench,
  { tenants = 1, ...options }: TenantOptions & { tenants?: number } = {},
) {
  const settings: z.infer<typeof Settings> = { tenants, ...tenantSettings(options) }
  const child = await startChild(bench, 'bench/tenants.ts', { args: [JSON.stringify(settings)] })
  const askFor = (order: z.infer<typeof Order>) => ask(child, order)
  return {
    ...child,
    origins: z.array(z.string()).parse(await askFor({ origins: true })),
    users: async (tenant: number, users: number, tokens: number) =>
      z.array(z.string()).parse(await askFor({ tenant, users, tokens })),
    counts: async () => Counts.parse(await askFor({ counts: true })),
    firstListed: async () => new Map(Object.entries(Times.parse(await askFor({ firstListed: true })))),
  }
}

if (import.meta.main) {
  const { tenants: count, clients, ...settings } = Settings.parse(JSON.parse(String(process.argv[2])))
  const sandboxes: Sandbox[] = []
  const counts: Record<string, number> = {}
  let firstListed: Record<string, number> = {}
  for (let index = 0; index < count; index += 1) {
    // 127.0.0.0/8 is loopback.
    const sandbox = await startSandbox({ ...settings, host: `127.1.${index >> 8}.${index & 255}` })
    const { tenant } = sandbox
    for (const client of clients) tenant.addClient(client)
    tenant.onCall((phase, { route, path, status }) => {
      if (phase === 'answered') {
        const key = `${route} ${status}`
        counts[key] = (counts[key] ?? 0) + 1
        tenant.calls.length = 0
      } else if (route === 'list') {
        const userId = new URLSearchParams(path.split('?')[1]).get('userId')
        if (userId) firstListed[userId] ??= performance.timeOrigin + performance.now()
      }
    })
    sandboxes.push(sandbox)
  }
  process.on('message', (message) => {
    const order = Order.parse(message)
    if ('origins' in order) process.send?.(sandboxes.map(({ url }) => url))
    else if ('counts' in order) process.send?.(counts)
    else if ('firstListed' in order) {
      process.send?.(firstListed)
      firstListed = {}
    } else {
      const tenant = sandboxes[order.tenant]?.tenant
      const ids = Array.from({ length: order.users }, () => {
        const id = tenant?.addUser().id ?? ''
        tenant?.issueTokens(id, order.tokens)
        return id
      })
      process.send?.(ids)
    }
  })
  process.once('SIGTERM', () => process.exit(0))
  process.send?.({ url: sandboxes[0]?.url })
}
