import t, { type Test } from 'tap'
import { Api, ApiError } from '../../src/dashboard/api.ts'
import { sendPage } from '../../src/dashboard/send.ts'
import { REPLAY_WINDOW_MS } from '../../src/revocation/replay.ts'
import { keyOf, startWithKeys } from '../support/api-keys.ts'
import { type Browser, type Page, signedIn } from '../support/browser.ts'
import { fakeClock } from '../support/clock.ts'
import { sendRequest } from '../support/raw-http.ts'
import { startService } from '../support/service.ts'

const FORM = '/dashboard/revoke'
const PREVIEW = '/dashboard/revoke/preview'
const SEND = '/dashboard/revoke/send'

async function preview(browser: Browser, users: string, fields: Record<string, string> = {}): Promise<Page> {
  const form = await browser.get(FORM)
  return browser.submit(form, PREVIEW, { users, kind: '', tenant: '', reason: 'security', ...fields })
}

t.test('one user is revoked, after a dry run that shows the tokens', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(2, { email: 'ann@example.com' })
  const browser = await signedIn(service)
  const asked = await preview(browser, 'ann@example.com')
  t.match(asked.text, '<h1>Revoke the tokens of 1 user?</h1>')
  t.match(asked.text, /<td>ann@example.com<\/td><td>exists<\/td><td class="number">2</)
  t.equal((await service.stored()).length, 0)
  const sent = await browser.send(asked, SEND)
  t.equal(sent.status, 303)
  t.match(sent.location, /^\/dashboard\/batches\/[0-9a-f-]{36}$/)
  const [{ id }] = await service.stored()
  t.match(await service.settled(id), { verified: true, user: { resolved: [ann.id] }, source: 'bulk' })
  const batch = await browser.get(String(sent.location))
  t.match(batch.text, '1 of 1')
  t.match(batch.text, 'Nothing has failed.')
  const again = await browser.send(asked, SEND)
  t.equal(again.location, sent.location, 'a double click is the same batch')
  t.equal((await service.stored()).length, 1)
})

t.test('a CSV file is read, and its invalid lines and duplicates are named', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const csv =
    'Name;E-Mail;User Id\r\nAnn;ann@example.com;\r\nBen;;u2\r\nAnn;ann@example.com;\r\n;;\r\n<b>;no address;\r\n'
  const asked = await preview(browser, csv, { reason: 'logout' })
  t.match(asked.text, '2 users, 1 duplicate, 2 invalid lines. Names without a heading: automatic')
  t.match(asked.text, 'Tenant: the default one. Reason: logout.')
  t.match(
    asked.text,
    /<td class="number">5<\/td><td>the line names no user<.*<td class="number">6<\/td><td>not an/s,
  )
  t.match(asked.text, /<input type="checkbox" required> Skip 2 invalid lines/)
  t.notMatch(asked.text, '<b>;')
  const { location } = await browser.send(asked, SEND)
  const stored = await service.stored()
  const users = stored.map(({ user, reason }) => `${user.email ?? user.userId} ${reason}`)
  t.same(users.sort(), ['ann@example.com logout', 'u2 logout'])
  t.match((await browser.get(String(location))).text, ' of 2</dd>')
})

t.test('many users are sent in turns, which add up to one batch', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  service.sandbox.tenant.order({
    kind: 'status',
    status: 503,
    route: 'list',
    times: Number.POSITIVE_INFINITY,
  })
  const browser = await signedIn(service)
  const names = Array.from({ length: 1_100 }, (_, index) => `user-${index}`)
  const asked = await preview(browser, names.join('\n'), { kind: 'subject' })
  t.match(asked.text, '<caption>Dry run of the first 10 users</caption>')
  // Each look at the clock is the end of a turn.
  const { monotonic } = clock
  let now = monotonic()
  clock.monotonic = () => (now += 6_000)
  let page = await browser.send(asked, SEND)
  t.match(page.text, '500 of 1100 users sent.')
  page = await browser.send(page, SEND)
  t.match(page.text, '1000 of 1100 users sent.')
  page = await browser.send(page, SEND)
  t.equal(page.status, 303)
  clock.monotonic = monotonic
  const id = String(page.location?.split('/').pop())
  t.match((await service.call('GET', `/batches/${id}`)).json, { total: 1_100 })
})

t.test('a form that is sent again later revokes nothing again', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const browser = await signedIn(service)
  const asked = await preview(browser, 'u1\nu2')
  // The operator thinks about it.
  clock.leap(REPLAY_WINDOW_MS - 1)
  const sent = await browser.send(asked, SEND)
  t.equal(sent.status, 303)
  for (const { id } of await service.stored()) await service.ended(id)
  for (const ms of [REPLAY_WINDOW_MS - 1, 2]) {
    clock.leap(ms)
    t.equal((await browser.send(asked, SEND)).location, sent.location)
    t.equal((await service.stored()).length, 2)
  }
  const late = await preview(browser, 'u1')
  clock.leap(2 * REPLAY_WINDOW_MS)
  t.not((await browser.send(late, SEND)).location, sent.location)
  t.equal((await service.stored()).length, 3, 'a form that was never sent can be sent late')
})

t.test('a form that continues can be sent late', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const browser = await signedIn(service)
  const asked = await preview(browser, Array.from({ length: 501 }, (_, index) => `user-${index}`).join('\n'))
  const { monotonic } = clock
  let now = monotonic()
  clock.monotonic = () => (now += 6_000)
  const page = await browser.send(asked, SEND)
  t.match(page.text, '500 of 501 users sent.')
  clock.monotonic = monotonic
  clock.leap(2 * REPLAY_WINDOW_MS)
  const { location } = await browser.send(page, SEND)
  const batch = async () => (await service.call('GET', `/batches/${location?.split('/').pop()}`)).json
  t.match(await batch(), { total: 501 })
})

t.test('what was sent before an error is shown, and can be continued', async (t) => {
  const clock = fakeClock()
  const api: Api = Object.create(Api.prototype)
  let calls = 0
  // A server that fails between two parts.
  Object.assign(api, {
    post: async () => {
      calls += 1
      if (calls > 1) throw new ApiError(503, { code: 'CURFEW_STORE_UNAVAILABLE', title: 'Not stored' })
      return { items: [] }
    },
  })
  const at = new Date(clock.now()).toISOString()
  const form = {
    ...{ users: Array.from({ length: 900 }, (_, index) => `u${index}`).join('\n'), reason: 'security' },
    ...{ batch: '6f1c6f0a-0a3d-4a45-9d4e-5f1f7b1c2d3e', at, shownAt: at },
  }
  const operator = { api, key: KEY, mayOperate: true, expiresSoonAt: null }
  const request = { ...operator, params: {}, query: {}, form, csrf: 'x', clock }
  const answer = await sendPage.handle(request)
  t.match(answer, { status: 503, title: 'Revoke: stopped' })
  const { content } = answer as { content: string }
  t.match(content, 'Not stored')
  t.match(content, '500 of 900 users sent.')
  t.match(content, /name="from" value="500"/)
  t.match(content, '/dashboard/batches/6f1c6f0a')
  t.notMatch(content, 'data-continues')
  // Nothing was sent.
  await t.rejects(sendPage.handle(request), { message: 'Not stored' })
  // Another request has sent the next part.
  clock.leap(REPLAY_WINDOW_MS)
  Object.assign(api, { get: async () => ({ total: 900 }) })
  const later = { ...request, form: { ...form, from: '500' } }
  t.match(await sendPage.handle(later), { redirect: /batches/ })
})

const KEY = { name: 'ops', roles: ['read', 'operate'], tenants: null, expiresAt: null, brake: null }

t.test('users that are refused do not count as sent', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const asked = await preview(browser, 'u1\nu2')
  const sent = await browser.send(asked, SEND, { refused: 'CURFEW_REQUEST_INVALID=1' })
  t.match(sent.text, '<h1>1 user sent, 1 refused</h1>')
})

t.test('names that were not UTF-8 are invalid, and other columns do not matter', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const asked = await preview(browser, 'subject;name\nJ\uFFFDrg;x\nann;J\uFFFDrg')
  t.match(asked.text, '1 user, 0 duplicates, 1 invalid line.')
  t.match(asked.text, 'the file is not UTF-8')
})

t.test(
  'more users than a batch has room for are refused, and invalid lines beyond the first are counted',
  async (t) => {
    const service = await startService(t)
    const browser = await signedIn(service)
    const names = Array.from({ length: 99_001 }, (_, index) => `u${index}`).join('\n')
    await isRefused(t, preview(browser, `${names}\n"`), 400, 'More than 99000 users are named')
    const asked = await preview(browser, `u1${'\n@'.repeat(60)}`)
    t.match(asked.text, '1 user, 0 duplicates, 60 invalid lines')
    t.match(asked.text, '… and 10 more.')
  },
)

t.test('the brake on mass revocation is announced', async (t) => {
  const environment = { MASS_REVOCATION_USERS: '1' }
  const service = await startWithKeys(t, { exempt: { massRevocation: true } }, { environment })
  const browser = await signedIn(service)
  t.match((await preview(browser, 'u1\nu2\nu3')).text, 'at least 2 are held until an operator releases them')
  t.match((await preview(browser, 'u1')).text, 'some of these users can be held')
  t.notMatch((await preview(await signedIn(service, keyOf('exempt')), 'u1\nu2')).text, 'are held')
})

async function isRefused(t: Test, page: Promise<Page>, status: number, text: string) {
  const found = await page
  t.equal(found.status, status, text)
  t.match(found.text, text)
}

t.test('hostile forms are refused, and revoke nothing', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const form = await browser.get(FORM)
  const users = { users: 'u1', reason: 'security' }
  await isRefused(t, browser.post(PREVIEW, users), 403, 'The form does not belong to this session')
  await isRefused(t, browser.post(SEND, users), 403, 'The form does not belong to this session')
  await isRefused(t, preview(browser, ' \n'), 400, 'No user is named')
  await isRefused(t, preview(browser, 'u1', { tenant: 'other' }), 400, 'No tenant of that name')
  await isRefused(t, preview(browser, 'u1', { kind: 'session' }), 400, 'kind')
  await isRefused(t, preview(browser, 'x'.repeat(6_000_000)), 413, 'too large')
  await isRefused(t, browser.submit(form, SEND, { ...users, batch: '../x', at: 'now' }), 400, 'batch')
  const shown = await preview(browser, '</textarea><script>alert(1)</script>')
  t.notMatch(shown.text, '<script>alert')
  t.equal((await browser.get(`${SEND}?users=u1&reason=security`)).status, 404)
  t.equal((await service.stored()).length, 0)
})

t.test('a large form of somebody who is not signed in is not read', async (t) => {
  const service = await startService(t)
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '5000000' }
  const { status } = await sendRequest(service.url, 'POST', PREVIEW, headers)
  t.equal(status, 303)
})
