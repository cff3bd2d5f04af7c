import t from 'tap'
import type { LearnedLimit } from '../../src/qlik/budget/permit-log.ts'
import { CALL, openPool } from '../support/client-pool.ts'
import { drive, turns } from '../support/drive.ts'

const WINDOW = 300_000
const MESSAGE =
  "Qlik Cloud refused a call although the client's limit was not reached; the tenant's clients make fewer calls per window"

t.test("the tenant's own limit is learned from a 429 while a client has room", async (t) => {
  // Four bots and one user: the tenant allows 2.5 times what a client may do.
  const pool = await openPool(t, { count: 4, tier2Limit: 20, tenantLimitShare: 0.5 })
  const { tenant, tenants, tokens, checked, lines, refusals, clock } = pool
  await checked()
  t.equal(tenants.learnedLimit('acme', 2), null)
  const work = Promise.all(tokens(70).map((id) => tenant.revokeToken(id, CALL)))
  await turns(200)
  t.equal(tenants.learnedLimit('acme', 2), 56, '0.7 of four clients with 20 each')
  t.equal(tenants.learnedLimit('acme', 1), null)
  t.equal(lines.filter(({ msg }) => msg === MESSAGE).length, 1, 'one event, logged once')
  await drive(pool, work)
  const before = refusals()
  clock.advance(2 * WINDOW)
  // Well below the tenant's limit of 50.
  const limit = tenants.learnedLimit('acme', 2) ?? 0
  t.ok(limit > 0 && limit < 80)
  await drive(pool, Promise.all(tokens(35).map((id) => tenant.revokeToken(id, CALL))))
  t.equal(refusals(), before)
})

t.test('without further refusals, the limit rises until it is forgotten', async (t) => {
  const { tenant, tenants, tokens, checked, sandbox, clock } = await openPool(t)
  await checked()
  const [first = '', second = ''] = tokens(2)
  sandbox.tenant.order({ kind: 'rate-limited', seconds: 1, route: 'revoke' })
  const work = tenant.revokeToken(first, CALL)
  t.equal(await work, 'revoked', 'by the other client')
  const budgets = tenant.pool.clients.map(({ budget }) => budget)
  t.equal(tenants.learnedLimit('acme', 2), 14)
  t.equal(Math.max(...budgets.map((budget) => budget.remaining(2))), 5, 'in force at once')
  clock.advance(WINDOW + 10)
  t.same(budgets.map((budget) => budget.remaining(2)).sort(), [1, 7], 'one client must make a call first')
  await tenant.revokeToken(second, CALL)
  t.equal(tenants.learnedLimit('acme', 2), 14)
  for (const [windows, expected] of [
    [3, 16],
    [3, 18],
    [2, null],
  ] as const) {
    clock.advance(windows * WINDOW)
    t.equal(tenants.learnedLimit('acme', 2), expected)
  }
  clock.advance(10_000)
  t.equal(Math.max(...budgets.map((budget) => budget.remaining(2))), 10, 'applied within 10 s')
})

t.test('a learned limit survives a restart, and other processes read it', async (t) => {
  const stored: LearnedLimit[] = []
  const limits = {
    learnedLimits: async () => stored,
    learnLimit: async (limit: Omit<LearnedLimit, 'ageMs'>) => void stored.push({ ...limit, ageMs: 0 }),
  }
  const { tenant, tokens, checked, sandbox } = await openPool(t, { limits })
  await checked()
  sandbox.tenant.order({ kind: 'rate-limited', seconds: 1, route: 'revoke' })
  await tenant.revokeToken(tokens(1)[0] ?? '', CALL)
  t.match(stored, [{ origin: sandbox.url, tier: 2, calls: 14 }])
  const [first] = stored
  const next = await openPool(t, {
    limits: {
      ...limits,
      learnedLimits: async () => (first ? [{ ...first, origin: next.sandbox.url, ageMs: WINDOW }] : []),
    },
  })
  await next.tenants.start()
  await next.checked()
  t.equal(next.tenants.learnedLimit('acme', 2), 14)
  t.same(
    next.tenant.pool.clients.map(({ budget }) => budget.remaining(2)),
    [6, 6],
    'without the access tokens',
  )
})

/** The limits that were logged as learned. */
const learned = (lines: { msg: string; limit?: number }[]) =>
  lines.filter(({ msg }) => msg === MESSAGE).map(({ limit }) => limit)

t.test('refused probes do not lower the limit: a block of 20 minutes costs one lowering', async (t) => {
  const pool = await openPool(t, { count: 1, tier2Limit: 500 })
  const { tenant, tokens, checked, sandbox, lines, refusals } = pool
  await checked()
  const [first = '', second = ''] = tokens(2)
  sandbox.tenant.order({ kind: 'rate-limited', seconds: 60, times: 20, route: 'revoke' })
  await drive(pool, tenant.revokeToken(first, CALL))
  t.equal(refusals(), 20)
  t.same(learned(lines), [350])
  sandbox.tenant.order({ kind: 'rate-limited', seconds: 60, route: 'revoke' })
  await drive(pool, tenant.revokeToken(second, CALL))
  t.same(learned(lines), [350, 244], 'a 429 after an accepted call is new evidence')
})

t.test('the limit does not rise during a block of 45 minutes', async (t) => {
  const pool = await openPool(t, { count: 1, tier2Limit: 500 })
  const { tenant, tenants, tokens, checked, sandbox, refusals } = pool
  await checked()
  const [first = ''] = tokens(1)
  sandbox.tenant.order({ kind: 'rate-limited', seconds: 60, times: 45, route: 'revoke' })
  await drive(pool, tenant.revokeToken(first, CALL))
  t.equal(refusals(), 45)
  t.equal(tenants.learnedLimit('acme', 2), 350)
})

t.test('refused probes of one client do not lower the limit while others make calls', async (t) => {
  const pool = await openPool(t, { tier2Limit: 500 })
  const { tenant, tokens, checked, sandbox, clients, lines, refusals, clock } = pool
  await checked()
  const userId = clients[0]?.userId ?? ''
  for (let minute = 0; minute < 20; minute += 1) {
    sandbox.tenant.limiter.block(userId, 2, clock.now(), 60)
    await drive(pool, Promise.all(tokens(8).map((id) => tenant.revokeToken(id, CALL))))
    clock.advance(60_000)
  }
  t.ok(refusals() > 10)
  t.same(learned(lines), [700])
})

for (const [count, concurrency] of [
  [1, 1],
  [1, 4],
  [2, 4],
] as const)
  t.test(
    `another program uses a third of a client's budget: nothing is lost, one 429 per window (${count} × ${concurrency} calls)`,
    async (t) => {
      const LIMIT = 30
      const pool = await openPool(t, { count, tier2Limit: LIMIT, concurrency })
      const { tenant, tokens, checked, sandbox, clients, clock } = pool
      await checked()
      const [client] = clients
      if (!client) return
      const refusedAt: number[] = []
      sandbox.tenant.onCall((phase, call) => {
        if (phase === 'answered' && call.status === 429) refusedAt.push(clock.now())
      })
      const work = Promise.all(tokens(150 * count).map((id) => tenant.revokeToken(id, CALL)))
      await drive(pool, work, (second) => {
        if (second % 30 === 0) sandbox.tenant.spendCalls(client.id, 2, 1)
      })
      t.same(new Set(await work), new Set(['revoked']))
      t.ok(refusedAt.length > 0)
      for (const at of refusedAt) {
        const inWindow = refusedAt.filter((other) => other >= at && other < at + WINDOW).length
        t.equal(inWindow, 1)
      }
    },
  )
