import t from 'tap'
import { judgePower, PowerMonitor } from '../../src/qlik/power.ts'
import type { Power } from '../../src/revocation/qlik-tenant.ts'
import { fakeClock } from '../support/clock.ts'

const MINUTE = 60_000

t.test(
  'the role, or the sight of others, proves the power; roles without it and nothing seen deny it',
  async (t) => {
    for (const [roles, sawOthers, power] of [
      [['TenantAdmin'], false, 'proven'],
      [['Developer'], true, 'proven'],
      [null, true, 'proven'],
      [['Developer'], false, 'lacking'],
      [[], false, 'lacking'],
      [null, false, 'unknown'],
    ] as const) {
      t.equal(judgePower({ roles: roles && [...roles], sawOthers }), power)
    }
  },
)

function setUp(roles: string[] | null = ['TenantAdmin'], visible: string[] = ['bot']) {
  const clock = fakeClock()
  const changes: Power[] = []
  const tenant = { roles, visible, checks: 0, failure: null as Error | null }
  const monitor = new PowerMonitor({
    clock,
    ownUser: async () => {
      tenant.checks += 1
      if (tenant.failure) throw tenant.failure
      return { id: 'bot', roles: tenant.roles }
    },
    visibleOwners: async () => new Set(tenant.visible),
    onChange: (power) => changes.push(power),
  })
  return { clock, changes, tenant, monitor }
}

t.test('is looked up once for all who ask, and again when it has become old', async (t) => {
  const { clock, changes, tenant, monitor } = setUp()
  await Promise.all([monitor.get(), monitor.get()])
  clock.advance(59 * MINUTE)
  t.match(await monitor.get(), { power: 'proven', ownUserId: 'bot' })
  t.equal(tenant.checks, 1)
  clock.advance(2 * MINUTE)
  tenant.roles = []
  t.match(await monitor.get(), { power: 'lacking' })
  t.same(changes, ['proven', 'lacking'])
  clock.advance(30_000)
  tenant.roles = ['TenantAdmin']
  t.match(await monitor.get(), { power: 'proven' }, 'a missing role is looked for again soon')
})

t.test('whoever depends on it gets it as new as asked for; the sight of others is as good', async (t) => {
  const { clock, tenant, monitor } = setUp()
  await monitor.get()
  clock.advance(20_000)
  monitor.noteOwners(new Set(['ann']))
  await monitor.get(10_000)
  t.equal(tenant.checks, 1)
  clock.advance(20_000)
  monitor.noteOwners(new Set(['bot']))
  await monitor.get(10_000)
  t.equal(tenant.checks, 2)
})

t.test('while it cannot be looked up, what was known is used, but nothing depends on it', async (t) => {
  const { clock, tenant, monitor } = setUp()
  tenant.failure = new Error('down')
  await t.rejects(monitor.get(), { message: 'down' })
  tenant.failure = null
  await monitor.get()
  tenant.failure = new Error('down')
  clock.advance(61 * MINUTE)
  t.match(await monitor.get(), { power: 'proven' })
  await t.rejects(monitor.get(10_000), { message: 'down' })
})

t.test('a token of another user proves what was unknown', async (t) => {
  const { changes, monitor } = setUp(null)
  t.match(await monitor.get(), { power: 'unknown' })
  monitor.noteOwners(new Set(['bot', 'ann']))
  t.match(await monitor.get(), { power: 'proven' })
  t.same(changes, ['unknown', 'proven'])
})
