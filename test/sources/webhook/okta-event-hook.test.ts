import t from 'tap'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'
import { isProblem } from '../../support/problems.ts'
import { sendRequest } from '../../support/raw-http.ts'
import { rejectionCounts, rejectionLines } from '../../support/rejections.ts'
import { PATH, vendorOf, vendorService } from '../../support/vendor-service.ts'

const ADMIN = { id: '00uAdmin', type: 'User', alternateId: 'admin@example.com' }
const ADA = { id: '00uAda', type: 'User', alternateId: 'ada@example.com' }

const event = (eventType: string, different: object = {}) => ({
  uuid: eventType,
  published: '2018-03-28T22:23:07.777Z',
  eventType,
  version: '0',
  severity: 'INFO',
  actor: ADMIN,
  outcome: { result: 'SUCCESS' },
  target: [{ id: '0oa1', type: 'AppInstance' }, ADA],
  ...different,
})
const hook = (...events: unknown[]) => ({ eventType: 'com.okta.event_hook', eventId: 'd1', data: { events } })

t.test('an event affects its target, not the administrator', async (t) => {
  for (const [type, reason] of [
    ['user.session.clear', 'logout'],
    ['user.lifecycle.suspend', 'security'],
    ['user.account.update_password', 'logout'],
  ] as const)
    t.same(judged('okta-event-hook', hook(event(type))).signals, [`${reason} subject 00uAda`], type)
  t.same(judged('okta-event-hook', hook(event('user.lifecycle.suspend', { target: null }))), REJECTED)
})

t.test('a user who signs out is the actor if there is no target', async (t) => {
  for (const target of [null, [], [{ id: '0oa1', type: 'AppInstance' }]]) {
    const signedOut = event('user.session.end', { actor: ADA, target })
    t.same(judged('okta-event-hook', hook(signedOut)).signals, ['logout subject 00uAda'])
  }
  const user = { as: 'email', from: '{/user/alternateId}' } as const
  t.same(judged('okta-event-hook', hook(event('user.session.end')), { user }).signals, [
    'logout email ada@example.com',
  ])
})

t.test('failed actions are ignored', async (t) => {
  const failed = event('user.lifecycle.deactivate', { outcome: { result: 'FAILURE' } })
  t.same(judged('okta-event-hook', hook(failed)), IGNORED)
})

t.test('of many events in one request, the valid ones are accepted', async (t) => {
  const vendor = vendorOf('okta-event-hook')
  const { send, stored, counted, service } = await vendorService(t, vendor)
  const about = (id: string) => event('user.lifecycle.deactivate', { target: [{ ...ADA, id }] })
  const reply = await send(
    hook(about('a'), event('user.session.start'), { ...about('x'), target: [] }, 7, about('b')),
  )
  t.equal(reply.status, 204, reply.text)
  t.match(await stored(), [{ user: { subject: 'a' } }, { user: { subject: 'b' } }])
  t.same([await counted('accepted'), await counted('ignored'), await counted('rejected')], [2, 1, 2])
  const shared = { msg: 'source events rejected', source: 'the-source', route: 'POST /sources/:name/webhook' }
  t.match(rejectionLines(service), [
    { ...shared, events: 1, code: 'CURFEW_SUBJECT_UNKNOWN' },
    { ...shared, events: 1, code: 'CURFEW_BODY_UNREADABLE' },
  ])
  t.same(await rejectionCounts(service), {
    'the-source CURFEW_SUBJECT_UNKNOWN': 1,
    'the-source CURFEW_BODY_UNREADABLE': 1,
  })
})

t.test('up to a thousand events are accepted', async (t) => {
  const { send, service } = await vendorService(t, vendorOf('okta-event-hook'))
  const small = (count: number) => hook(...Array.from({ length: count }, () => ({ eventType: 'x' })))
  t.equal((await send(small(1_000))).status, 204)
  isProblem(t, await send(small(1_001)), 'CURFEW_REQUEST_INVALID', '/')
  t.equal((await service.stored()).length, 0)
})

const name = 'x-okta-verification-challenge'

t.test('the challenge is returned by sources of this kind only', async (t) => {
  const { secret, ...vendor } = vendorOf('okta-event-hook')
  const { service } = await vendorService(t, { secret, ...vendor })
  const ask = (headers: Record<string, string>, path = PATH) =>
    service.call('GET', path, { headers: { authorization: secret, ...headers } })
  const { status, json } = await ask({ [name]: 'the-challenge' })
  t.equal(status, 200)
  t.same(json, { verification: 'the-challenge' })
  const bad: Record<string, string>[] = [{}, { [name]: '' }, { [name]: 'x'.repeat(1_025) }, { [name]: 'a b' }]
  for (const headers of bad) isProblem(t, await ask(headers), 'CURFEW_REQUEST_INVALID', name)
  const twice = { authorization: secret, [name]: 'one', [name.toUpperCase()]: 'two' }
  t.equal((await sendRequest(service.url, 'GET', PATH, twice)).status, 400)
  isProblem(t, await ask({ [name]: 'x' }, '/sources/another/webhook'), 'CURFEW_NOT_FOUND')
  const other = await vendorService(t, vendorOf('qlik'))
  const reply = await other.service.call('GET', PATH, { headers: { [name]: 'x' } })
  isProblem(t, reply, 'CURFEW_NOT_FOUND')
})

t.test('a challenge without the secret is rejected', async (t) => {
  const { otherSecret, ...vendor } = vendorOf('okta-event-hook')
  const { service } = await vendorService(t, { otherSecret, ...vendor })
  for (const authorization of ['', otherSecret])
    isProblem(
      t,
      await service.call('GET', PATH, { headers: { authorization, [name]: 'x' } }),
      'CURFEW_SOURCE_UNPROVEN',
    )
})
