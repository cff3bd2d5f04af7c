import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

t.test('what is sent again when it is forgotten ends nothing that began since', async (t) => {
  const clock = fakeClock()
  const { send, stored } = await vendorService(
    t,
    vendorOf('qlik'),
    {},
    { clock, sandbox: { now: clock.now } },
  )
  const body = { ...Object(vendorOf('qlik').sample('e1')), time: new Date(clock.now()).toISOString() }
  await send(body)
  t.match(await stored(), [{ reason: 'security', scope: 'all', occurredAt: body.time }])
  clock.jump(25 * 60 * 60_000)
  await send(body)
  const second = (await stored()).filter(({ scope }) => scope === 'issued-before')
  t.match(second, [{ reason: 'security', occurredAt: body.time }])
})

t.test('an event whose type is no text is of no use, and no failure', (t) => {
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
