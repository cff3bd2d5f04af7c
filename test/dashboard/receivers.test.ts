import t, { type Test } from 'tap'
import { entriesOf, keyOf } from '../support/api-keys.ts'
import { signedIn } from '../support/browser.ts'
import { testClock } from '../support/clock.ts'
import { configurationFile } from '../support/config-file.ts'
import { startReceiver } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'
import { type Service, startService } from '../support/service.ts'

const DAYS_MS = 4 * 24 * 60 * 60_000

async function start(t: Test) {
  const receiver = await startReceiver(t)
  const entry = { name: 'siem', url: receiver.url, secret: RECEIVER_SECRET, events: ['revocation.completed'] }
  const apiKeys = entriesOf({ reader: { roles: ['read'] }, shop: { tenants: ['default'] } })
  const file = configurationFile(t, { receivers: [entry], receiverNetworks: ['127.0.0.1'], apiKeys })
  return { receiver, service: await startService(t, { environment: { CONFIG_FILE: file.path } }) }
}

/** The only notification, once it has this status. */
async function untilStatus({ call }: Service, status: string): Promise<{ id: string }> {
  for (;;) {
    const [item] = (await call('GET', '/notifications')).json.items
    if (item?.status === status) return item
  }
}

t.test('an operator sends a notification again, and a receiver recognizes its id', async (t) => {
  const { receiver, service } = await start(t)
  await service.revoke({ userId: 'ann' })
  const { id } = await untilStatus(service, 'delivered')
  const browser = await signedIn(service)
  const page = await browser.get('/dashboard/receivers')
  t.match(page.text, '<span class="good">works</span>')
  t.match(page.text, '<td>revocation.completed</td>')
  const sent = await browser.submit(page, '/dashboard/receivers/redeliver', { id })
  t.match(sent, { status: 303, location: '/dashboard/receivers?receiver=siem' })
  const requests = await receiver.got(2)
  t.same(
    requests.map(({ headers }) => headers['webhook-id']),
    [id, id],
  )
})

t.test('everything that was given up is sent again after its number was confirmed', async (t) => {
  const { receiver, service } = await start(t)
  receiver.answer = (response) => void response.writeHead(500).end()
  await service.revoke({ userId: 'ann' })
  await receiver.got(1)
  // The attempt is noted after the response.
  while ((await service.call('GET', '/notifications')).json.items[0].code === null);
  testClock.skip(DAYS_MS)
  const { id } = await untilStatus(service, 'failed')
  const count = receiver.requests.length
  const browser = await signedIn(service)
  const page = await browser.get('/dashboard/receivers?status=failed')
  t.match(page.text, '<code>CURFEW_RECEIVER_STATUS</code> (500)')
  const asked = await browser.submit(page, '/dashboard/receivers/confirm', { receiver: 'siem' })
  t.match(asked.text, 'Send 1 failed notification to siem again?')
  t.equal(receiver.requests.length, count, 'nothing is sent yet')
  receiver.answer = (response) => void response.writeHead(204).end()
  const done = await browser.send(asked, '/dashboard/receivers/redeliver')
  t.match(done.text, '1 notification will be sent again')
  const requests = await receiver.got(count + 1)
  t.equal(requests.at(-1)?.headers['webhook-id'], id)
  await untilStatus(service, 'delivered')
  const none = await browser.submit(done, '/dashboard/receivers/confirm', { receiver: 'siem' })
  t.match(none.text, 'Nothing has failed.')
})

t.test('a test shows whether the receiver accepts it', async (t) => {
  const { receiver, service } = await start(t)
  const browser = await signedIn(service)
  const page = await browser.get('/dashboard/receivers')
  const test = () => browser.submit(page, '/dashboard/receivers/test', { receiver: 'siem' })
  t.match((await test()).text, 'siem has accepted the test')
  receiver.answer = (response) => void response.writeHead(302, { location: '/' }).end()
  const refused = await test()
  t.match(refused.text, 'siem has not accepted the test')
  t.match(refused.text, 'CURFEW_RECEIVER_REDIRECT')
  const unknown = await browser.submit(page, '/dashboard/receivers/test', { receiver: '../key' })
  t.equal(unknown.status, 400)
})

t.test('a key sees and changes only what its role and tenants allow', async (t) => {
  const { receiver, service } = await start(t)
  await service.revoke({ userId: 'ann' })
  const { id } = await untilStatus(service, 'delivered')
  const reader = await signedIn(service, keyOf('reader'))
  const page = await reader.get('/dashboard/receivers')
  t.match(page.text, 'siem')
  t.notMatch(page.text, 'Send again')
  t.equal((await reader.submit(page, '/dashboard/receivers/redeliver', { id })).status, 403)
  const shop = await signedIn(service, keyOf('shop'))
  const own = await shop.get('/dashboard/receivers')
  t.match(own.text, 'Receivers are shown to API keys that are not restricted to tenants.')
  t.match(own.text, '<td>revocation.completed</td>', 'its notifications are shown')
  t.equal((await shop.submit(own, '/dashboard/receivers/confirm', { receiver: 'siem' })).status, 403)
  const nonsense = await shop.get('/dashboard/receivers?status=nonsense&revocation=x')
  t.equal(nonsense.status, 400)
  t.equal(receiver.requests.length, 1)
})
