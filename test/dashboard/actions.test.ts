import t, { type Test } from 'tap'
import { Api, ApiError } from '../../src/dashboard/api.ts'
import { changePage } from '../../src/dashboard/change.ts'
import { OutcomeView, StatusView } from '../../src/revocation/revocation-view.ts'
import { Reason } from '../../src/revocation/signal.ts'
import { keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { Browser, type Page, signedIn } from '../support/browser.ts'
import { fakeClock } from '../support/clock.ts'
import { nextCall } from '../support/events.ts'
import { type Service, startService } from '../support/service.ts'

const CONFIRM = '/dashboard/revocations/confirm'
const CHANGE = '/dashboard/revocations/change'

/** Failed revocations that would succeed now; the oldest first. */
async function failed(service: Service, count: number): Promise<string[]> {
  const ids: string[] = []
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list', times: count })
  for (let index = 0; index < count; index += 1) {
    const { id } = service.userWithTokens(1)
    const { json } = await service.call('POST', '/logout-hook', { body: { userId: id } })
    await service.ended(json.id)
    ids.push(json.id)
  }
  return ids
}

async function statesOf(service: Service): Promise<Record<string, string>> {
  return Object.fromEntries((await service.stored()).map(({ id, status }) => [id, status]))
}

t.test('the selected ones are retried, after a page that says what will happen', async (t) => {
  const service = await startService(t)
  const [first = '', second = '', third = ''] = await failed(service, 3)
  const verified = await service.revoke({ userId: service.userWithTokens(1).id })
  const browser = await signedIn(service)
  const list = await browser.get('/dashboard/revocations')
  t.match(list.text, `name="ids" value="${first}"`)
  const fields = { action: 'retry', of: 'selected', ids: [first, third, verified.id] }
  const asked = await browser.send(list, CONFIRM, fields)
  t.match(asked.text, '<h1>Retry 2 revocations?</h1>')
  t.match(asked.text, '<li>2 failed</li>')
  t.match(asked.text, '1 of the selected ones cannot be retried in their state')
  t.match(await statesOf(service), { [first]: 'failed', [second]: 'failed', [third]: 'failed' })
  const done = await browser.send(asked, CHANGE)
  t.match(done.text, '<h1>2 revocations retried</h1>')
  for (const id of [first, third]) t.match(await service.ended(id), { status: 'completed' })
  t.equal((await statesOf(service))[second], 'failed')
  const again = await browser.send(asked, CHANGE)
  t.match(again.text, 'Nothing was retried', 'a double click has no further effect')
})

t.test('everything that matches is changed, except what arrives after the question', async (t) => {
  const service = await startService(t)
  const ids = await failed(service, 2)
  const browser = await signedIn(service)
  const list = await browser.get('/dashboard/revocations?status=failed&code=CURFEW_QLIK_FORBIDDEN')
  const asked = await browser.send(list, CONFIRM, { action: 'retry', of: 'matching' })
  t.match(asked.text, '<h1>Retry 2 revocations?</h1>')
  const [later = ''] = await failed(service, 1)
  t.match((await browser.send(asked, CHANGE)).text, '<h1>2 revocations retried</h1>')
  for (const id of ids) t.match(await service.ended(id), { status: 'completed' })
  t.equal((await statesOf(service))[later], 'failed')
  const { items } = (await service.call('GET', '/audit?event=retried')).json
  t.match(items, [{ entry: { by: { name: 'API_KEYS[0]' } } }, {}])
})

t.test(
  'an end of the search that is still to come does not let in what arrives after the question',
  async (t) => {
    const service = await startService(t)
    await failed(service, 1)
    const browser = await signedIn(service)
    const list = await browser.get('/dashboard/revocations?status=failed&until=2999-01-01T00:00:00%2B01:00')
    const asked = await browser.send(list, CONFIRM, { action: 'retry', of: 'matching' })
    const [later = ''] = await failed(service, 1)
    t.match((await browser.send(asked, CHANGE)).text, '<h1>1 revocation retried</h1>')
    t.equal((await statesOf(service))[later], 'failed')
  },
)

t.test('what was changed before an error is shown, and can be continued', async (t) => {
  const api: Api = Object.create(Api.prototype)
  // A server that fails between two requests.
  const post = async () => {
    throw new ApiError(503, { code: 'CURFEW_STORE_UNAVAILABLE', title: 'Not stored' })
  }
  Object.assign(api, { post })
  const key = { name: 'ops', roles: ['operate'], tenants: null, expiresAt: null, brake: null }
  const form = { action: 'retry', of: 'matching', matching: 'status=failed', done: '1000', total: '1500' }
  const request = {
    ...{ api, key, mayOperate: true, expiresSoonAt: null, params: {}, query: {}, csrf: 'x' },
    clock: fakeClock(),
  }
  const answer = await changePage.handle({ ...request, form: { ...form, cursor: 'c1' } })
  t.match(answer, { status: 503, title: 'Retry: stopped' })
  const { content } = answer as { content: string }
  t.match(content, 'Not stored')
  t.match(content, '1000 revocations retried so far, of about 1500.')
  t.match(content, 'name="cursor" value="c1"')
  t.notMatch(content, 'data-continues')
  await t.rejects(changePage.handle({ ...request, form }), { message: 'Not stored' })
})

t.test('the search offers every state, reason and outcome', async (t) => {
  const service = await startService(t)
  const { text } = await (await signedIn(service)).get('/dashboard/revocations')
  const expected = {
    status: StatusView.options,
    reason: Reason.options,
    outcome: OutcomeView.options,
  }
  for (const [name, values] of Object.entries(expected)) {
    const [, select = ''] = new RegExp(`<select id="${name}"[^>]*>(.*?)</select>`, 's').exec(text) ?? []
    const offered = [...select.matchAll(/value="([^"]+)"/g)].map(([, value = '']) => value)
    t.same(offered.toSorted(), [...values].toSorted(), name)
  }
})

t.test('long filters of a search reach the action', async (t) => {
  const service = await startService(t)
  const ann = `${'字'.repeat(500)}@example.com`
  await service.call('POST', '/logout-hook', { body: { email: ann } })
  const browser = await signedIn(service)
  const list = await browser.get(`/dashboard/revocations?${new URLSearchParams({ email: ann })}`)
  t.match(list.text, '1 found')
  const long = new URLSearchParams({ email: ann, source: '字'.repeat(512), key: '字'.repeat(512) })
  const fields = { action: 'cancel', of: 'matching', matching: String(long) }
  t.match((await browser.submit(list, CONFIRM, fields)).text, '<h1>Cancel 0 revocations?</h1>')
})

t.test('large changes continue, and add up', async (t) => {
  const service = await startService(t, { environment: { MASS_REVOCATION_USERS: '1' } })
  const users = Array.from({ length: 1_002 }, (_, index) => ({ userId: `u${index}` }))
  const send = (part: object[]) => service.call('POST', '/revocations', { body: { users: part } })
  await send(users.slice(0, 1_000))
  await send(users.slice(1_000))
  const browser = await signedIn(service)
  const list = await browser.get('/dashboard/revocations?status=held')
  const asked = await browser.send(list, CONFIRM, { action: 'cancel', of: 'matching' })
  t.match(asked.text, '<h1>Cancel 1001 revocations?</h1>')
  let page = await browser.send(asked, CHANGE)
  t.match(page.text, /<h1>Cancel: in progress<\/h1>.* revocations cancelled so far, of about 1001/s)
  while (page.text.includes('data-continues')) page = await browser.send(page, CHANGE)
  t.match(page.text, '<h1>1001 revocations cancelled</h1>')
})

t.test('held ones are released', async (t) => {
  const environment = { MASS_REVOCATION_USERS: '1' }
  const service = await startWithKeys(t, { other: {} }, { environment })
  for (const userId of ['u1', 'u2'])
    await service.call('POST', '/logout-hook', { body: { userId }, ...withKey('other') })
  service.sandbox.tenant.order({ kind: 'hang', route: 'list' })
  const browser = await signedIn(service)
  const list = await browser.get('/dashboard/revocations?status=held')
  const asked = await browser.send(list, CONFIRM, { action: 'release', of: 'matching' })
  t.match(asked.text, '<li>1 held</li>')
  t.match((await browser.send(asked, CHANGE)).text, '<h1>1 revocation released</h1>')
})

t.test('what several senders requested is cancelled only with force', async (t) => {
  const service = await startWithKeys(t, { other: {} })
  const browser = await signedIn(service)
  const signal = (options = {}) =>
    service.call('POST', '/logout-hook', { body: { userId: 'u3' }, ...options })
  service.sandbox.tenant.order({ kind: 'hang', route: 'list' })
  const running = nextCall(service.sandbox, ({ route }) => route === 'list', 'arrived')
  await signal()
  await running
  const { id } = (await signal()).json
  await signal(withKey('other'))
  const page = await browser.get(`/dashboard/revocations/${id}`)
  const asked = await browser.send(page, CONFIRM, { action: 'cancel' })
  t.match(asked.text, 'CURFEW_SEVERAL_SENDERS')
  t.match(asked.text, ' Also cancel 1 that other senders requested, or that were requested before the batch')
  const refused = await browser.send(asked, CHANGE)
  t.match(refused.text, 'Nothing was cancelled')
  t.match((await browser.send(asked, CHANGE, { force: 'true' })).text, '<h1>1 revocation cancelled</h1>')
})

t.test('what failed is grouped by error, with what to do, and retried by error', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  t.match((await browser.get('/dashboard/failed')).text, 'Nothing has failed.')
  const ids = await failed(service, 2)
  const page = await browser.get('/dashboard/failed')
  t.match(page.text, /<code>CURFEW_QLIK_FORBIDDEN<\/code>.*<td class="number">2<\/td><td>default: 2<\/td>/s)
  const asked = await browser.send(page, CONFIRM, { action: 'retry' })
  t.match(asked.text, '<h1>Retry 2 revocations?</h1>')
  t.match((await browser.send(asked, CHANGE)).text, '<h1>2 revocations retried</h1>')
  for (const id of ids) t.match(await service.ended(id), { status: 'completed' })
})

t.test('a revocation shows what is proven, who requested it, and what its state allows', async (t) => {
  const service = await startService(t)
  const [id = ''] = await failed(service, 1)
  const browser = await signedIn(service)
  const one = await browser.get(`/dashboard/revocations/${id}`)
  t.match(one.text, /Requested by<\/dt><dd>api-key API_KEYS\[0\] at 127\.0\.0\.1</)
  t.match(one.text, 'Not proven: the revocation is not completed.')
  t.match(one.text, />Retry…<\/button><\/form>/)
  const asked = await browser.send(one, CONFIRM, { action: 'retry' })
  await browser.send(asked, CHANGE)
  await service.settled(id)
  const after = await browser.get(`/dashboard/revocations/${id}`)
  t.match(after.text, 'Proven: every token in scope is gone.')
  t.match(after.text, `href="/dashboard/receivers?revocation=${id}"`)
  t.match(after.text, /A listing that began at <time.*showed no token in scope/s)
  t.notMatch(after.text, 'name="action"')
})

async function refused(t: Test, page: Promise<Page> | Page, status: number, text: string | RegExp) {
  const { status: found, text: shown } = await page
  t.equal(found, status)
  t.match(shown, text)
}

t.test('hostile forms are refused, and change nothing', async (t) => {
  const service = await startService(t)
  const [id = ''] = await failed(service, 1)
  const browser = await signedIn(service)
  const list = await browser.get('/dashboard/revocations?status=failed')
  const fields = { action: 'retry', of: 'selected', ids: id }
  for (const path of [CONFIRM, CHANGE]) {
    t.equal((await browser.get(`${path}?action=retry&of=selected&ids=${id}`)).status, 404, 'by GET')
    await refused(t, browser.post(path, fields), 403, 'The form does not belong to this session')
    const send = (more: Record<string, string | string[]>) => browser.send(list, path, { ...fields, ...more })
    const submit = (more: object) => browser.submit(list, path, { ...fields, ...more })
    await refused(t, submit({ ids: ['x', id] }), 400, 'expected the id of a revocation')
    await refused(t, submit({ ids: Array(51).fill(id) }), 400, /role="alert"/)
    await refused(t, submit({ action: 'erase' }), 400, /role="alert"/)
    await refused(t, submit({ of: 'matching' }), 400, /role="alert"/)
    await refused(t, submit({ of: 'matching', matching: 'since=yesterday' }), 400, /role="alert"/)
    await refused(t, submit({ ids: [] }), 400, 'No revocation is selected')
    await refused(t, send({ x: Array(10_000).fill('1') }), 413, /role="alert"/)
    const anyone = new Browser(service.url)
    t.match(await anyone.post(path, fields), { status: 303, location: '/dashboard/sign-in' })
  }
  t.same(await statesOf(service), { [id]: 'failed' })
})

t.test('a key that loses its role between the page and the action changes nothing', async (t) => {
  const service = await startWithKeys(t, { ops: {} })
  const [id = ''] = await failed(service, 1)
  const browser = await signedIn(service, keyOf('ops'))
  const list = await browser.get('/dashboard/revocations?status=failed')
  const asked = await browser.send(list, CONFIRM, { action: 'retry', of: 'selected', ids: id })
  service.file.write({ apiKeys: [{ name: 'ops', key: keyOf('ops'), roles: ['read'] }] })
  t.equal((await service.call('POST', '/config/reload')).status, 200)
  await refused(t, browser.send(asked, CHANGE), 403, 'requires the role')
  t.same(await statesOf(service), { [id]: 'failed' })
})
