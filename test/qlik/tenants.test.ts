import t, { type Test } from 'tap'
import type { HttpQlikTenant } from '../../src/qlik/tenant.ts'
import type { ClientConfig, TenantConfig } from '../../src/qlik/tenant-config.ts'
import { Tenants } from '../../src/qlik/tenants.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { nextCall, rejection } from '../support/events.ts'

const MINUTE = 60_000
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

const limits = {
  apiVersion: '2026-11',
  tier1Limit: 100,
  tier2Limit: 10,
  windowMs: 300_000,
  timeoutMs: 5_000,
  concurrency: 4,
}

const clientConfig = (clientId: string, secret = 'client-secret', scope = 'admin_classic'): ClientConfig => ({
  clientId,
  credentials: [{ kind: 'secret', secret }],
  scope,
})

/** The budget of a tenant's only client. */
const budgetOf = (tenant: HttpQlikTenant | undefined) => tenant?.pool.clients[0]?.budget

/** A tenant that never responds. */
const config = (name: string, different: Partial<TenantConfig> = {}): TenantConfig => ({
  name,
  origin: 'http://127.0.0.1:1',
  clients: [clientConfig(`client-of-${name}`)],
  ...limits,
  ...different,
})
const many = (count: number) => Array.from({ length: count }, (_, index) => config(`t${index}`))

/** The directory of these tenants; `restored` lists those with restored budgets. */
function open(t: Test, configs: TenantConfig[], clock: FakeClock = fakeClock()) {
  const restored: string[] = []
  const permits = {
    history: async ({ tenant }: { tenant: string }) => {
      restored.push(tenant)
      return { permits: [], blockedUntil: null }
    },
    note: async () => {},
    block: async () => {},
    unblock: async () => {},
  }
  const tenants = new Tenants(configs, { permits, clock, log: SILENT, onCall: () => {} })
  t.teardown(() => tenants.stop())
  const names = () => [...tenants.opened()].map(({ name }) => name)
  return { tenants, clock, restored, names }
}

/**
 * The directory with one sandbox tenant among 20 others, so that it is opened lazily, and a function that makes
 * calls.
 */
async function openSandbox(t: Test) {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const { id, secret } = sandbox.tenant.addClient()
  const own = config('own', { origin: sandbox.url, clients: [clientConfig(id, secret)] })
  const others = many(20)
  const call = { signal: new AbortController().signal, urgency: 0 }
  const tokenCalls = () => sandbox.tenant.calls.filter(({ route }) => route === 'token').length
  const scoped = (scope: string) => ({ clients: [clientConfig(id, secret, scope)] as const })
  return { ...open(t, [own, ...others]), scoped, sandbox, own, others, call, tokenCalls }
}

t.test('up to twenty tenants are opened at startup, beyond that on first use', async (t) => {
  const few = open(t, many(20))
  await few.tenants.start()
  t.equal(few.names().length, 20)
  t.equal(new Set(few.restored).size, 20, 'their budgets are restored by then')
  const { tenants, names } = open(t, many(21))
  await tenants.start()
  t.same(names(), [])
  t.equal(tenants.has('t7'), true)
  t.equal(tenants.ifOpen('t7'), undefined)
  const tenant = tenants.get('t7')
  t.equal(tenants.get('t7'), tenant)
  t.equal(tenants.ifOpen('t7'), tenant)
  t.same(names(), ['t7'])
  t.equal(tenants.get('elsewhere'), undefined)
  t.same([tenants.names().length, tenants.names()[0]], [21, 't0'])
})

t.test('a lazily opened tenant restores its budget before its first call', async (t) => {
  const { tenants, call, restored } = await openSandbox(t)
  t.match(await tenants.get('own')?.power(call), { power: 'proven' })
  t.same(restored, ['own', 'own'], 'once per tier')
  await tenants.get('own')?.listTokens('u1', null, call)
  t.equal(restored.length, 2)
})

t.test('a lazily opened tenant is closed after ten unused minutes, and not earlier', async (t) => {
  const { tenants, call, clock, names, tokenCalls, own } = await openSandbox(t)
  const first = tenants.get(own.name)
  await first?.power(call)
  clock.advance(9 * MINUTE)
  t.equal(tenants.get(own.name), first)
  await first?.listTokens('u1', null, call)
  t.equal(tokenCalls(), 1, 'with the same access token')
  clock.advance(9 * MINUTE)
  t.same(names(), [own.name])
  clock.advance(2 * MINUTE)
  t.same(names(), [])
  t.equal(clock.untilNextTimer(), null, 'the checks stop')
  await tenants.get(own.name)?.power(call)
  t.equal(tokenCalls(), 2)
})

t.test('a tenant that waits for a response is in use, however long', async (t) => {
  const { tenants, call, clock, names, sandbox, own } = await openSandbox(t)
  const tenant = tenants.get(own.name)
  await tenant?.power(call)
  await budgetOf(tenant)?.block(2, { ms: 60 * MINUTE, askedMs: null })
  const waiting = tenant?.revokeToken('x', call)
  for (let minute = 0; minute < 50; minute += 1) clock.advance(MINUTE)
  t.same(names(), [own.name])
  const revoked = nextCall(sandbox, ({ route }) => route === 'revoke')
  clock.advance(11 * MINUTE)
  await revoked
  t.equal(await waiting, 'already-gone')
})

t.test('a few tenants stay open even if unused', async (t) => {
  const { tenants, clock, names } = open(t, many(2))
  await tenants.start()
  clock.advance(60 * MINUTE)
  t.same(names(), ['t0', 't1'])
})

t.test('a reload keeps unchanged tenants, and reports the others', async (t) => {
  const { tenants, names } = open(t, many(30))
  const [kept, changed, removed] = ['t0', 't1', 't2'].map((name) => tenants.get(name))
  const next = [...many(29).filter(({ name }) => name !== 't2'), config('new'), config('newer')]
  const renewed = (name: string) => ({ clients: [clientConfig(`client-of-${name}`, 'new')] as const })
  const altered = next.map((one) =>
    ['t1', 't3'].includes(one.name) ? { ...one, ...renewed(one.name) } : one,
  )
  t.same(tenants.replace(altered), { added: 2, removed: 2, changed: 2 })
  t.same(names(), ['t0'])
  t.equal(tenants.get('t0'), kept)
  t.not(tenants.get('t1'), changed)
  t.ok(removed)
  t.equal(tenants.get('t2'), undefined)
  t.equal(tenants.has('new'), true)
  t.same(tenants.replace(altered), { added: 0, removed: 0, changed: 0 })
})

t.test('a replaced tenant finishes started work, then it is closed', async (t) => {
  const { tenants, call, clock, own, others } = await openSandbox(t)
  const old = tenants.get(own.name)
  await old?.power(call)
  tenants.replace([{ ...own, concurrency: 5 }, ...others])
  t.match(await old?.listTokens('u1', null, call), { tokens: [] }, 'a run continues with it')
  clock.advance(12 * MINUTE)
  t.match(await rejection(old?.listTokens('u1', null, call) ?? Promise.resolve()), { name: /./ })
  t.match(await tenants.get(own.name)?.listTokens('u1', null, call), { tokens: [] })
})

t.test(
  'whatever a reload changes, the client of a tenant keeps the one budget that Qlik counts',
  async (t) => {
    for (const [change, remaining] of [
      ['another scope', 8],
      [{ name: 'renamed' }, 8],
      [{ tier2Limit: 7 }, 5],
      [{ tier2Limit: 1 }, 0],
      [{ tier2Limit: 12, tier1Limit: 5, windowMs: 60_000 }, 10],
      [{ windowMs: 600_000, timeoutMs: 1_000, concurrency: 1 }, 8],
    ] as const) {
      const { tenants, call, own, others, restored, scoped } = await openSandbox(t)
      const old = tenants.get(own.name)
      await old?.revokeToken('x', call)
      const changed = { ...own, ...(change === 'another scope' ? scoped('another') : change) }
      tenants.replace([changed, ...others])
      t.equal(budgetOf(old)?.remaining(2), remaining, `immediately, without the token and the revocation`)
      const renewed = tenants.get(changed.name)
      t.not(renewed, old)
      t.equal(budgetOf(renewed), budgetOf(old), JSON.stringify(change))
      t.equal(restored.length, 2, 'it is not restored a second time')
    }
  },
)

t.test('a tenant changed by a reload still knows which tokens it revoked', async (t) => {
  const { tenants, call, own, others, sandbox, scoped } = await openSandbox(t)
  const deletes = () => sandbox.tenant.calls.filter(({ route }) => route === 'revoke').length
  await tenants.get(own.name)?.revokeToken('x', call)
  tenants.replace([{ ...own, concurrency: 5, ...scoped('another') }, ...others])
  t.equal(await tenants.get(own.name)?.revokeToken('x', call), 'already-gone')
  t.equal(deletes(), 1)
  const elsewhere = tenants.get(String(others[0]?.name))
  t.equal(elsewhere?.fateOf('x'), null, 'another tenant has its own tokens')
})

t.test(
  'a tenant remembers its tokens after two reloads in a row, and after its removal and return',
  async (t) => {
    const { tenants, call, clock, own, others } = await openSandbox(t)
    const first = tenants.get(own.name)
    await first?.revokeToken('x', call)
    tenants.replace([{ ...own, tier2Limit: 20 }, ...others])
    tenants.replace([{ ...own, tier2Limit: 6 }, ...others])
    t.equal(budgetOf(tenants.get(own.name)), budgetOf(first))
    t.equal(budgetOf(first)?.remaining(2), 4)
    tenants.replace(others)
    tenants.replace([own, ...others])
    t.equal(budgetOf(tenants.get(own.name)), budgetOf(first))
    t.equal(budgetOf(first)?.remaining(2), 8)

    tenants.replace(others)
    clock.advance(12 * MINUTE)
    tenants.replace([own, ...others])
    t.not(budgetOf(tenants.get(own.name)), budgetOf(first), 'an unused budget is restored again')
  },
)

t.test('a different client or address has a different budget', async (t) => {
  const { tenants, own, others } = await openSandbox(t)
  const first = tenants.get(own.name)
  for (const change of [{ clients: [clientConfig('other')] as const }, { origin: 'http://127.0.0.1:2' }]) {
    tenants.replace([{ ...own, ...change }, ...others])
    t.not(budgetOf(tenants.get(own.name)), budgetOf(first))
  }
})

t.test('a budget that failed to restore is restored again', async (t) => {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const { id, secret } = sandbox.tenant.addClient()
  let isBroken = true
  const permits = {
    history: async () => {
      if (isBroken) throw new Error('the store does not work')
      return { permits: [], blockedUntil: null }
    },
    note: async () => {},
    block: async () => {},
    unblock: async () => {},
  }
  const one = config('one', { origin: sandbox.url, clients: [clientConfig(id, secret)] })
  const tenants = new Tenants([one], { permits, clock: fakeClock(), log: SILENT, onCall: () => {} })
  t.teardown(() => tenants.stop())
  await t.rejects(tenants.start(), { message: 'the store does not work' })
  const call = { signal: new AbortController().signal, urgency: 0 }
  t.match(await rejection(tenants.get('one')?.power(call) ?? Promise.resolve()), /does not work/)
  isBroken = false
  t.match(await tenants.get('one')?.power(call), { power: 'proven' })
})

t.test('after the stop, new work is aborted immediately', async (t) => {
  const { tenants, call, own } = await openSandbox(t)
  await tenants.stop()
  t.match(await rejection(tenants.get(own.name)?.power(call) ?? Promise.resolve()), { name: 'AbortError' })
})

t.test('a reload changes the concurrency', async (t) => {
  const { tenants } = open(t, [config('a', { concurrency: 4 }), config('b', { concurrency: 8 })])
  t.equal(tenants.highestConcurrency, 8)
  tenants.replace([config('a', { concurrency: 32 })])
  t.equal(tenants.highestConcurrency, 32)
})
