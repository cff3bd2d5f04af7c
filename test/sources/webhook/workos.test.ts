import t from 'tap'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'
import { isProblem } from '../../support/problems.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const event = (name: string, data: object) => ({
  event: name,
  id: 'event_04FKJ843CVE8F7BXQSPFH0M53V',
  data,
  created_at: '2023-11-18T04:18:13.126Z',
})
const directoryUser = {
  object: 'directory_user',
  id: 'directory_user_01E1JG7J09H96KYP8HM9B0G5SJ',
  email: 'veda@foo-corp.com',
  idp_id: '2836',
  state: 'inactive',
}

t.test('a revoked session, a deleted user and a new password name the user', async (t) => {
  for (const [name, data, signal] of [
    ['session.revoked', { object: 'session', id: 'session_1', user_id: 'user_1' }, 'logout subject user_1'],
    ['user.deleted', { object: 'user', id: 'user_1', email: 'a@b.c' }, 'security subject user_1'],
    [
      'password_reset.succeeded',
      { object: 'password_reset', id: 'p', user_id: 'user_1' },
      'logout subject user_1',
    ],
  ] as const)
    t.match(judged('workos', event(name, data)), { signals: [signal], times: ['2023-11-18T04:18:13.126Z'] })
})

t.test('a directory user has no AuthKit id: an entry uses the e-mail address', async (t) => {
  t.same(judged('workos', event('dsync.user.deleted', directoryUser)), IGNORED)
  const events = { 'dsync.user.deleted': 'security' } as const
  t.same(judged('workos', event('dsync.user.deleted', directoryUser), { events }), REJECTED)
  const user = { as: 'email', from: '{/data/email}' } as const
  t.same(judged('workos', event('dsync.user.deleted', directoryUser), { events, user }).signals, [
    'security email veda@foo-corp.com',
  ])
})

t.test('a header in another form is rejected', async (t) => {
  const vendor = vendorOf('workos')
  const { send } = await vendorService(t, vendor)
  const body = JSON.stringify(vendor.sample('e1'))
  const good = String(
    (await vendor.sign(body, { secret: vendor.secret, at: Date.now() }))['workos-signature'],
  )
  for (const value of [
    good.replace('v1=', 'v0='),
    good.replace('t=', 't=1'),
    good.replace(/^t=\d+, /, ''),
    `${good}, v1=00`,
    good.replace(/t=\d+/, 't='),
    good.split(', ').reverse().join(', '),
  ])
    isProblem(t, await send(body, { headers: { 'workos-signature': value } }), 'CURFEW_SOURCE_UNPROVEN')
  t.equal((await send(body, { headers: { 'workos-signature': good.replace(', ', ',') } })).status, 200)
})
