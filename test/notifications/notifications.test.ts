import t, { type Test } from 'tap'
import { testClock } from '../support/clock.ts'
import { configurationFile, mistakesIn } from '../support/config-file.ts'
import { keysOf } from '../support/configuration.ts'
import { startReceiver, verified } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'
import { startService } from '../support/service.ts'

const OTHER_SECRET = 'whsec_Y3VyZmV3LXRlc3Qtc2Vjb25kLXNlY3JldC0wMDAx'

/** A service with a receiver. */
async function start(t: Test, entry: object = {}, more: object = {}) {
  const receiver = await startReceiver(t)
  const own = { name: 'siem', url: receiver.url, secret: RECEIVER_SECRET, ...entry }
  const networks = { receiverNetworks: ['127.0.0.1'] }
  const file = configurationFile(t, { receivers: [own], ...networks, ...more })
  const service = await startService(t, { environment: { CONFIG_FILE: file.path } })
  const write = (receivers: object[]) => file.write({ receivers, ...networks, ...more })
  return { receiver, service, own, write }
}

t.test('a receiver is notified of a revocation, with a signature that its library accepts', async (t) => {
  const { receiver, service } = await start(t)
  service.userWithTokens(2, { email: 'ann@example.com' })
  const { id } = await service.revoke({ email: 'ann@example.com' })
  const requests = await receiver.got(2)
  const messages = requests.map((request) => verified(request))
  t.same(messages.map((one) => (one as { type: string }).type).sort(), [
    'revocation.completed',
    'revocation.verified',
  ])
  const { json } = await service.call('GET', `/revocations/${id}`)
  const { estimatedCompletionAt: _, waitingFor: __, ...expected } = json
  const last = requests.find(({ message }) => message.type === 'revocation.verified')
  t.same(last?.message.data, expected, 'as the API returns it')
  t.equal(new Set(requests.map(({ headers }) => headers['webhook-id'])).size, 2)
  const { json: page } = await service.call('GET', `/notifications?revocation=${id}`)
  t.same(
    page.items.map(({ id }: { id: string }) => id).sort(),
    requests.map(({ headers }) => headers['webhook-id']).sort(),
  )
})

t.test('during a rotation, both secrets sign', async (t) => {
  const { receiver, service } = await start(t, { previousSecret: OTHER_SECRET })
  await service.revoke({ email: 'nobody@example.com' })
  const [request] = await receiver.got(1)
  if (!request) return t.fail('no request')
  t.ok(verified(request))
  t.ok(verified(request, OTHER_SECRET))
  t.throws(() => verified(request, RECEIVER_SECRET.replace('C2F', 'D2F')))
})

t.test('a signal names a receiver, in addition to those of all revocations', async (t) => {
  const named = await startReceiver(t)
  const { receiver, service, own, write } = await start(t)
  write([own, { ...own, name: 'crm', url: named.url, onlyIfNamed: true }])
  await service.call('POST', '/config/reload')
  await service.revoke({ email: 'nobody@example.com' })
  const { id, notify } = await service.revoke({ email: 'ann@example.com', notify: 'crm' })
  t.same(notify, ['crm'])
  await receiver.got(4)
  const requests = await named.got(2)
  t.ok(requests.every(({ message }) => message.data.id === id))
  const unknown = await service.call('POST', '/logout-hook', { body: { email: 'a@b', notify: 'no' } })
  t.match(unknown, { status: 400, json: { code: 'CURFEW_UNKNOWN_RECEIVER' } })
  const bulk = { users: [{ email: 'c@example.com' }], notify: 'crm' }
  const accepted = await service.call('POST', '/revocations', { body: bulk })
  t.same(accepted.json.items[0].revocation.notify, ['crm'])
  const all = await service.call('POST', '/users/u1/revoke-all', { body: { notify: 'crm' } })
  t.same(all.json.notify, ['crm'])
})

t.test('rejected signals are reported at once, then at most once a minute', async (t) => {
  const { receiver, service } = await start(t, { events: ['source.rejected'] })
  const bad = () =>
    service.call('POST', '/logout-hook', { headers: { authorization: 'Bearer wrong' }, body: {} })
  await bad()
  await receiver.got(1)
  for (let count = 0; count < 3; count += 1) await bad()
  await service.call('GET', '/no-such-path')
  testClock.skip(60_000)
  const [first, second] = await receiver.got(2)
  t.match(first?.message, { type: 'source.rejected', data: { source: 'logout-hook', count: 1 } })
  t.match(second?.message.data, { source: 'logout-hook', count: 3, codes: { CURFEW_UNAUTHENTICATED: 3 } })
})

t.test('an operator sends again what a receiver has refused', async (t) => {
  const { receiver, service } = await start(t, { events: ['revocation.completed'] })
  receiver.answer = (response) => void response.writeHead(500).end()
  await service.revoke({ email: 'nobody@example.com' })
  await receiver.got(1)
  const list = async () => (await service.call('GET', '/notifications')).json.items[0]
  let refused = await list()
  while (refused.code === null) refused = await list()
  t.match(refused, { status: 'pending', code: 'CURFEW_RECEIVER_STATUS', httpStatus: 500, attempts: 1 })
  t.match((await service.call('GET', '/receivers')).json.items, [
    {
      name: 'siem',
      state: 'ok',
      pending: 1,
      lastFailure: { code: 'CURFEW_RECEIVER_STATUS', httpStatus: 500 },
    },
  ])
  receiver.answer = (response) => void response.writeHead(200).end('thank you')
  t.equal((await service.call('POST', `/notifications/${refused.id}/redeliver`)).status, 200)
  const [first, second] = await receiver.got(2)
  t.equal(second?.headers['webhook-id'], first?.headers['webhook-id'], 'so that it is recognized')
  const { json } = await service.call('GET', '/audit?event=redelivered')
  t.match(json.items, [{ entry: { details: { receiver: 'siem', notification: refused.id } } }])
  const missing = '01f7dd5c-5d0c-7c4e-9d0e-3b1f0c9a7e21'
  const unknown = await service.call('POST', `/notifications/${missing}/redeliver`)
  t.match(unknown, { status: 404, json: { code: 'CURFEW_UNKNOWN_NOTIFICATION' } })
  const none = await service.call('POST', '/notifications/redeliver?dryRun=true', {
    body: { receiver: 'siem' },
  })
  t.same(none.json, { redelivered: 0, more: false, dryRun: true })
  const other = await service.call('POST', '/notifications/redeliver', { body: { receiver: 'other' } })
  t.match(other, { status: 400, json: { code: 'CURFEW_UNKNOWN_RECEIVER' } })
})

t.test('a test message reaches the receiver and is not stored', async (t) => {
  const { receiver, service } = await start(t)
  const { json } = await service.call('POST', '/receivers/siem/test')
  t.same(json, { delivered: true, httpStatus: 204, code: null })
  const messages = (await receiver.got(1)).map((request) => verified(request))
  t.match(messages, [{ type: 'curfew.test', data: { receiver: 'siem' } }])
  t.same((await service.call('GET', '/notifications')).json.items, [])
  receiver.answer = (response) => void response.writeHead(302, { location: receiver.url }).end()
  const refused = await service.call('POST', '/receivers/siem/test')
  t.same(refused.json, { delivered: false, httpStatus: 302, code: 'CURFEW_RECEIVER_REDIRECT' })
  t.equal(receiver.requests.length, 2, 'no redirect is followed')
  t.equal((await service.call('POST', '/receivers/no/test')).status, 400)
})

t.test('a reload removes a receiver, and its notifications wait for its return', async (t) => {
  const { receiver, service, own, write } = await start(t, { events: ['revocation.completed'] })
  receiver.answer = (response) => void response.writeHead(503, { 'retry-after': '600' }).end()
  await service.revoke({ email: 'nobody@example.com' })
  await receiver.got(1)
  write([])
  const removed = await service.call('POST', '/config/reload')
  t.same(removed.json.receivers, { added: [], removed: ['siem'], changed: [] })
  await service.revoke({ email: 'ann@example.com' })
  t.match((await service.call('GET', '/receivers')).json.items, [
    { name: 'siem', state: 'removed', pending: 1 },
  ])
  receiver.answer = (response) => void response.writeHead(200).end()
  write([own])
  await service.call('POST', '/config/reload')
  const [item] = (await service.call('GET', '/notifications')).json.items
  await service.call('POST', `/notifications/${item.id}/redeliver`)
  await receiver.got(2)
  t.equal((await service.call('GET', '/notifications')).json.items.length, 1, 'none while it was removed')
})

t.test('the configuration refuses addresses that are not public, unless they are listed', async (t) => {
  const receivers = [{ name: 'a', url: 'https://127.0.0.1/', secret: RECEIVER_SECRET }]
  const expected = 'expected a public address, or one in receiverNetworks'
  t.same(await mistakesIn(t, { receivers }), [{ key: 'CONFIG_FILE /receivers/0/url', expected }])
  t.same(await mistakesIn(t, { receivers, receiverNetworks: ['127.0.0.0/8'] }), [])
})

t.test('the configuration reports mistakes of receivers by position', async (t) => {
  const good = { name: 'a', url: 'https://siem.example.com/', secret: RECEIVER_SECRET }
  const receivers = [
    good,
    { ...good, url: 'http://siem.example.com/' },
    { ...good, name: 'c', secret: 'short' },
    { ...good, name: 'd', events: ['revocation.started'], tenants: ['nobody'] },
    { ...good, name: 'e', tenants: ['default'], events: ['source.rejected'] },
    { ...good, name: 'f', secretFile: 'f' },
  ]
  const mistakes = await mistakesIn(t, { receivers, receiverNetworks: ['0.0.0.0/0'] })
  t.same(keysOf(mistakes).sort(), [
    'CONFIG_FILE /receiverNetworks/0',
    'CONFIG_FILE /receivers/1/name',
    'CONFIG_FILE /receivers/1/url',
    'CONFIG_FILE /receivers/2/secret',
    'CONFIG_FILE /receivers/3/events/0',
    'CONFIG_FILE /receivers/3/tenants/0',
    'CONFIG_FILE /receivers/4/events/0',
    'CONFIG_FILE /receivers/5',
    'CONFIG_FILE /receivers/5/secretFile',
  ])
})
