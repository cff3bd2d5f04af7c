import t from 'tap'
import type { LearnedLimit } from '../../src/qlik/budget/permit-log.ts'
import { tenantChecks } from '../../src/qlik/tenant-checks.ts'
import { CALL, openPool } from '../support/client-pool.ts'
import { drive } from '../support/drive.ts'

const MINUTE = 60_000
const MESSAGE = 'Qlik Cloud applies its rate limit to each minute; calls are spread over the window'
/** Curfew is configured with 50 calls in five minutes. */
const LIMIT = 50
const BY_MINUTE = { tier2Limit: LIMIT / 5, windowMs: MINUTE, curfewLimit: LIMIT }

function stored() {
  const rows: LearnedLimit[] = []
  return {
    rows,
    learnedLimits: async () => rows,
    learnLimit: async (limit: Omit<LearnedLimit, 'ageMs'>) => void rows.push({ ...limit, ageMs: 0 }),
  }
}

for (const count of [1, 2]) {
  t.test(
    `a tenant that evaluates each minute is noticed with the first 429 (${count} clients)`,
    async (t) => {
      const limits = stored()
      const pool = await openPool(t, { ...BY_MINUTE, count, limits })
      const { tenant, tenants, tokens, checked, lines, refusals, clock, sandbox } = pool
      await checked()
      t.equal(tenants.minuteLimit('acme', 2), null)
      const begin = clock.now()
      const work = Promise.all(tokens(30 * count).map((id) => tenant.revokeToken(id, CALL)))
      await drive(pool, work)
      t.same(new Set(await work), new Set(['revoked']), 'nothing is lost')
      t.equal(tenants.minuteLimit('acme', 2), LIMIT / 5)
      t.equal(tenants.minuteLimit('acme', 1), null)
      t.equal(tenants.learnedLimit('acme', 2), null, 'no other limit is lowered')
      t.equal(lines.filter(({ msg }) => msg === MESSAGE).length, 1, 'logged once')
      t.match(limits.rows, [{ origin: sandbox.url, tier: 2, per: 'minute', calls: LIMIT / 5 }])
      t.ok(clock.now() - begin < 5 * MINUTE, 'about four minutes, not a window')
      t.match(tenantChecks(tenants, { of: () => [] }), [
        { status: 'warning', detail: /applies its rate limit to each minute.*10 tier 2 calls per minute/ },
      ])
      const before = refusals()
      clock.advance(MINUTE)
      await drive(pool, Promise.all(tokens(25 * count).map((id) => tenant.revokeToken(id, CALL))))
      t.equal(refusals(), before, 'no further 429')

      const next = await openPool(t, {
        ...BY_MINUTE,
        count,
        limits: {
          ...limits,
          learnedLimits: async () => limits.rows.map((row) => ({ ...row, origin: next.sandbox.url })),
        },
      })
      await next.tenants.start()
      await next.checked()
      t.equal(next.tenants.minuteLimit('acme', 2), LIMIT / 5, 'a restart remembers it')
      await drive(next, Promise.all(next.tokens(15 * count).map((id) => next.tenant.revokeToken(id, CALL))))
      t.equal(next.refusals(), 0)
      next.clock.advance(24 * 60 * MINUTE)
      t.equal(next.tenants.minuteLimit('acme', 2), null, 'after a day, it is tried again')
    },
  )
}

t.test(
  'a tenant that has accepted more within a minute is not taken for one that evaluates each',
  async (t) => {
    const pool = await openPool(t, { tier2Limit: LIMIT, count: 1 })
    const { tenant, tenants, tokens, checked, sandbox, clock } = pool
    await checked()
    await drive(pool, Promise.all(tokens(15).map((id) => tenant.revokeToken(id, CALL))))
    clock.advance(2 * MINUTE)
    const ids = tokens(12)
    await drive(pool, Promise.all(ids.slice(0, 10).map((id) => tenant.revokeToken(id, CALL))))
    sandbox.tenant.order({ kind: 'rate-limited', seconds: 30, route: 'revoke' })
    await drive(pool, Promise.all(ids.slice(10).map((id) => tenant.revokeToken(id, CALL))))
    t.equal(tenants.minuteLimit('acme', 2), null)
    t.equal(tenants.learnedLimit('acme', 2), 35, 'another program, or the limit of the tenant')
  },
)

t.test('a refused probe does not decide that a tenant evaluates each minute', async (t) => {
  const pool = await openPool(t, { tier2Limit: LIMIT, count: 1 })
  const { tenant, tenants, tokens, checked, refusals, sandbox } = pool
  await checked()
  const revoke = (count: number) =>
    drive(pool, Promise.all(tokens(count).map((id) => tenant.revokeToken(id, CALL))))
  await revoke(9)
  // Without Retry-After, the probe goes after 30 s: all calls are within a minute then.
  sandbox.tenant.order({ kind: 'rate-limited', retryAfter: 'missing', route: 'revoke' })
  sandbox.tenant.order({ kind: 'rate-limited', seconds: 20, route: 'revoke' })
  await revoke(1)
  t.equal(refusals(), 2)
  t.equal(tenants.minuteLimit('acme', 2), null)
  t.equal(tenants.learnedLimit('acme', 2), 35)
})
