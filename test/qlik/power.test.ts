import t from 'tap'
import { momentOf } from '../../src/base/moment.ts'
import { judgePower, PowerMonitor } from '../../src/qlik/power.ts'
import { fakeClock } from '../support/clock.ts'

const MINUTE = 60_000
const ADMIN = 'user_default admin_classic'

t.test('only the role with the scope, or tokens of other users, prove the power', async (t) => {
  for (const [roles, scope, sawOthers, evidence] of [
    [['TenantAdmin'], ADMIN, false, 'tenant-admin'],
    [['TenantAdmin'], 'admin_classic', true, 'tenant-admin'],
    [['TenantAdmin'], 'user_default', false, 'scope-too-narrow'],
    [['TenantAdmin'], 'admin_classic2 xadmin_classic', false, 'scope-too-narrow'],
    [['TenantAdmin'], '', false, 'scope-too-narrow'],
    [['TenantAdmin'], 'user_default', true, 'others-seen'],
    [['Developer'], ADMIN, true, 'others-seen'],
    [['Developer'], ADMIN, false, 'role-missing'],
    [['Developer'], 'user_default', false, 'scope-too-narrow'],
    [[], ADMIN, false, 'role-missing'],
    [null, ADMIN, true, 'others-seen'],
    [null, ADMIN, false, 'not-reported'],
    [null, 'user_default', false, 'scope-too-narrow'],
  ] as const) {
    const name = JSON.stringify([roles, scope, sawOthers])
    t.equal(judgePower({ roles: roles && [...roles], scope, sawOthers }), evidence, name)
  }
})

function setUp(roles: string[] | null = ['TenantAdmin'], visible: string[] = ['bot']) {
  const clock = fakeClock()
  const changes: string[] = []
  /** `granted`: the scope of the next access token; `scope`: that of the current one. */
  const tenant = {
    roles,
    visible,
    granted: ADMIN,
    scope: null as string | null,
    checks: 0,
    grants: 0,
    answering: Promise.resolve(),
  }
  const failures: Error[] = []
  const asked = (scope: string) => ({ scope, askedAt: momentOf(clock) })
  const call = () => {
    const failure = failures.shift()
    if (failure) throw failure
    if (tenant.scope === null) tenant.grants += 1
    tenant.scope ??= tenant.granted
    return tenant.scope
  }
  const monitor = new PowerMonitor({
    clock,
    ownUser: async () => {
      tenant.checks += 1
      const askedAt = momentOf(clock)
      await tenant.answering
      return { scope: call(), askedAt, id: 'bot', roles: tenant.roles }
    },
    visibleOwners: async () => ({ scope: call(), askedAt: momentOf(clock), owners: new Set(tenant.visible) }),
    grantedScope: () => tenant.scope,
    renewGrant: () => {
      tenant.scope = null
    },
    onChange: ({ power, evidence }) => changes.push(`${power}: ${evidence}`),
  })
  return { clock, changes, tenant, failures, monitor, asked }
}

t.test('the power is looked up once for all callers, and again when the finding is old', async (t) => {
  const { clock, changes, tenant, monitor } = setUp()
  await Promise.all([monitor.get(), monitor.get()])
  clock.advance(59 * MINUTE)
  t.match(await monitor.get(), { power: 'proven', evidence: 'tenant-admin', ownUserId: 'bot', scope: ADMIN })
  t.equal(tenant.checks, 1)
  clock.advance(2 * MINUTE)
  tenant.roles = []
  t.match(await monitor.get(), { power: 'lacking' })
  t.same(changes, ['proven: tenant-admin', 'lacking: role-missing'])
  clock.advance(30_000)
  tenant.roles = ['TenantAdmin']
  t.match(await monitor.get(), { power: 'proven' }, 'a missing role is checked again soon')
  t.equal(tenant.grants, 1, 'a role needs no new access token')
})

t.test('callers get a finding as recent as requested; tokens of other users count, too', async (t) => {
  const { clock, tenant, monitor, asked } = setUp()
  await monitor.get()
  clock.advance(20_000)
  monitor.noteOwners(new Set(['ann']), asked(ADMIN))
  t.match(await monitor.get(10_000), { evidence: 'others-seen' })
  t.equal(tenant.checks, 1)
  clock.advance(20_000)
  monitor.noteOwners(new Set(['bot']), asked(ADMIN))
  await monitor.get(10_000)
  t.equal(tenant.checks, 2)
})

t.test('a finding is as old as its request, by the clock that shows more', async (t) => {
  const { clock, tenant, monitor, asked } = setUp()
  const answering = Promise.withResolvers<void>()
  tenant.answering = answering.promise
  const slow = monitor.get(10_000)
  const early = asked(ADMIN)
  clock.advance(11_000)
  const joined = monitor.get(10_000)
  answering.resolve()
  await Promise.all([slow, joined])
  t.equal(tenant.checks, 2, 'a later caller does not get an old finding')
  monitor.noteOwners(new Set(['ann']), early)
  t.match(await monitor.get(), { evidence: 'tenant-admin' }, 'an earlier request changes nothing')
  clock.jump(11_000)
  await monitor.get(10_000)
  t.equal(tenant.checks, 3, 'the machine may have slept')
})

t.test('a check during which the machine slept is not shared', async (t) => {
  const { clock, tenant, monitor } = setUp()
  const answering = Promise.withResolvers<void>()
  tenant.answering = answering.promise
  const before = monitor.get(10_000)
  clock.jump(3_600_000)
  const after = monitor.get(10_000)
  answering.resolve()
  await Promise.all([before, after])
  t.equal(tenant.checks, 2)
})

t.test('a check that started before other users were seen does not hide them', async (t) => {
  const { clock, tenant, monitor, asked } = setUp(null)
  await monitor.get()
  const answering = Promise.withResolvers<void>()
  tenant.answering = answering.promise
  clock.advance(20_000)
  const look = monitor.get(10_000)
  clock.advance(1_000)
  monitor.noteOwners(new Set(['ann']), asked(ADMIN))
  answering.resolve()
  t.match(await look, { evidence: 'others-seen' })
})

t.test('if the lookup fails, the old finding is used, but is not accepted as recent', async (t) => {
  const { clock, failures, monitor } = setUp()
  failures.push(new Error('down'))
  await t.rejects(monitor.get(), { message: 'down' })
  await monitor.get()
  failures.push(new Error('down'), new Error('down'))
  clock.advance(61 * MINUTE)
  t.match(await monitor.get(), { power: 'proven' })
  await t.rejects(monitor.get(10_000), { message: 'down' })
})

t.test('a token of another user proves an unknown power', async (t) => {
  const { changes, monitor, asked } = setUp(null)
  t.match(await monitor.get(), { power: 'unknown' })
  monitor.noteOwners(new Set(['bot', 'ann']), asked(ADMIN))
  t.match(await monitor.get(), { power: 'proven' })
  t.same(changes, ['unknown: not-reported', 'proven: others-seen'])
})

t.test('an access token with a different scope resets the finding', async (t) => {
  const { changes, tenant, monitor, asked } = setUp()
  await monitor.get()
  monitor.noteOwners(new Set(['ann']), asked(ADMIN))
  tenant.scope = 'user_default'
  t.match(await monitor.get(), { power: 'lacking', evidence: 'scope-too-narrow', scope: 'user_default' })
  monitor.noteOwners(new Set(['ann']), asked(ADMIN))
  t.match(await monitor.get(), { power: 'lacking' }, 'findings of an older access token do not count')
  tenant.scope = ADMIN
  t.match(await monitor.get(), { power: 'proven', scope: ADMIN })
  t.equal(tenant.grants, 1, 'the new scope took no extra request')
  t.same(changes, ['proven: tenant-admin', 'lacking: scope-too-narrow', 'proven: tenant-admin'])
})

t.test('a narrow scope is rechecked with a new access token, at growing intervals', async (t) => {
  const { clock, tenant, monitor } = setUp()
  tenant.granted = 'user_default'
  const waits: number[] = []
  for (let grants = 1; grants <= 7; grants += 1) {
    let waited = 0
    for (; tenant.grants < grants && waited < 600_000; waited += 1_000) {
      if (grants > 1) clock.advance(1_000)
      t.match(await monitor.get(10_000), { power: 'lacking' })
    }
    waits.push((waited - (grants > 1 ? 0 : 1_000)) / 1_000)
  }
  t.same(waits, [0, 30, 60, 120, 240, 300, 300])
  tenant.granted = ADMIN
  clock.advance(300_000)
  t.match(await monitor.get(), { power: 'proven' })
})

t.test('an access token that cannot be renewed is not requested at every check', async (t) => {
  const { clock, tenant, failures, monitor } = setUp()
  tenant.granted = 'user_default'
  await monitor.get()
  clock.advance(30_000)
  failures.push(new Error('down'))
  await t.rejects(monitor.get(0), { message: 'down' })
  for (let look = 0; look < 2; look += 1) t.match(await monitor.get(0), { evidence: 'scope-too-narrow' })
  t.same([tenant.checks, tenant.grants], [3, 2])
})

t.test('callers during a recheck of a narrow scope get its result', async (t) => {
  const { clock, tenant, monitor } = setUp()
  tenant.granted = 'user_default'
  await monitor.get()
  clock.advance(30_000)
  tenant.granted = ADMIN
  const looks = await Promise.all([monitor.get(), monitor.get()])
  t.match(looks, [{ power: 'proven' }, { power: 'proven' }])
  t.equal(tenant.checks, 2)
})
