import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

t.test('a repetition after the retention ends no newer session', async (t) => {
  const clock = fakeClock()
  const { send, stored } = await vendorService(
    t,
    vendorOf('qlik'),
    {},
    { clock, sandbox: { now: clock.now } },
  )
  // The sender's clock is ahead.
  const time = new Date(clock.now() + 60_000).toISOString()
  const body = { ...Object(vendorOf('qlik').sample('e1')), time }
  await send(body)
  t.match(await stored(), [{ reason: 'security', scope: 'all' }])
  clock.jump(3 * 24 * 60 * 60_000 + 1_000)
  await send(body)
  const second = (await stored()).filter(({ scope }) => scope === 'issued-before')
  t.match(second, [{ reason: 'security', occurredAt: time }])
})

t.test('a late security event ends all sessions if its proof expires within the retention', async (t) => {
  const clock = fakeClock()
  const vendor = vendorOf('clerk')
  const { send, stored } = await vendorService(t, vendor, {}, { clock, sandbox: { now: clock.now } })
  const timestamp = clock.now() - 28 * 60 * 60_000
  const deleted = { object: 'user', id: 'user_1', deleted: true }
  await send({ type: 'user.deleted', timestamp, data: deleted }, { at: clock.now() })
  t.match(await stored(), [{ scope: 'all', occurredAt: new Date(timestamp).toISOString() }])
})

t.test('an event with a malformed type is ignored or rejected, without an error', (t) => {
  for (const odd of [{ toString: 1, valueOf: 1 }, ['x'], null, 5.5]) {
    t.same(judged('stytch', { source: odd, object_type: 'user', action: 'DELETE', id: 'u1' }), IGNORED)
    t.same(
      judged('supabase', { type: 'DELETE', schema: odd, table: 'users', old_record: { id: 'u' } }),
      IGNORED,
    )
    t.same(judged('keycloak', { type: odd, userId: 'u1' }), IGNORED)
    t.same(
      judged('keycloak', { operationType: 'DELETE', resourceType: odd, resourcePath: 'users/u1' }),
      IGNORED,
    )
    t.same(judged('keycloak', { type: 'admin.USER-ACTION', resourcePath: odd }), IGNORED)
    t.same(judged('keycloak', { type: 'admin.USER-DELETE', resourcePath: odd }), REJECTED)
  }
  t.end()
})
