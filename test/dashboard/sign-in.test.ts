import t, { type Test } from 'tap'
import { keyOf, startWithKeys } from '../support/api-keys.ts'
import { Browser } from '../support/browser.ts'
import { fakeClock } from '../support/clock.ts'
import { API_KEY, OTHER_API_KEY, type Service, startService } from '../support/service.ts'

const HOUR_MS = 60 * 60_000

async function signIn(service: Service, key = API_KEY, browser = new Browser(service.url)): Promise<Browser> {
  await browser.submit(await browser.get('/dashboard/sign-in'), '/dashboard/sign-in', { key })
  return browser
}

async function isSignedIn(browser: Browser): Promise<boolean> {
  const { status, location } = await browser.get('/dashboard')
  return status === 200 || location !== '/dashboard/sign-in'
}

t.test('an operator signs in with an API key, and out', async (t) => {
  const service = await startService(t)
  const browser = new Browser(service.url)
  t.match(await browser.get('/dashboard'), { status: 303, location: '/dashboard/sign-in' })
  const form = await browser.get('/dashboard/sign-in')
  const answer = await browser.submit(form, '/dashboard/sign-in', { key: API_KEY })
  t.match(answer, { status: 303, location: '/dashboard' })
  t.match(
    answer.headers.getSetCookie().join('\n'),
    /^curfew-session=\S+; Max-Age=28800; Path=\/dashboard; HttpOnly; SameSite=Strict$/m,
  )
  const now = await browser.get('/dashboard')
  t.equal(now.status, 200)
  t.match(now.text, /<h1>Now<\/h1>/)
  t.notMatch(now.text, API_KEY)
  t.notMatch([...browser.cookies.values()].join(' '), API_KEY)
  t.match(await browser.submit(now, '/dashboard/sign-out'), { status: 303, location: '/dashboard/sign-in' })
  t.notOk(await isSignedIn(browser))
})

t.test('a wrong key is refused, and counts as a failed authentication', async (t) => {
  const service = await startService(t, { environment: { MAX_FAILED_AUTHENTICATIONS: '3' } })
  const browser = new Browser(service.url)
  const attempt = async () =>
    browser.submit(await browser.get('/dashboard/sign-in'), '/dashboard/sign-in', { key: 'wrong' })
  for (let count = 0; count < 3; count += 1) {
    const { status, text } = await attempt()
    t.equal(status, 401)
    t.match(text, /role="alert"/)
  }
  t.equal((await attempt()).status, 429)
  t.notOk(await isSignedIn(browser))
})

t.test('forms without the token of the page are refused', async (t) => {
  const service = await startService(t)
  const browser = new Browser(service.url)
  const form = await browser.get('/dashboard/sign-in')
  t.equal((await browser.post('/dashboard/sign-in', { key: API_KEY })).status, 403)
  t.equal((await browser.post('/dashboard/sign-in', { key: API_KEY, _csrf: 'forged' })).status, 403)
  t.equal((await new Browser(service.url).submit(form, '/dashboard/sign-in', { key: API_KEY })).status, 403)
  const signedIn = await signIn(service)
  t.equal((await signedIn.post('/dashboard/sign-out', {})).status, 403)
  t.ok(await isSignedIn(signedIn))
})

t.test('a token of another session is refused, even if its cookie was planted', async (t) => {
  const service = await startService(t)
  const victim = await signIn(service)
  const attacker = await signIn(service)
  const theirs = await attacker.get('/dashboard')
  // As a host of the same site can.
  victim.setCookie('_csrf', String(attacker.cookies.get('_csrf')))
  t.equal((await victim.submit(theirs, '/dashboard/sign-out')).status, 403)
  t.equal((await attacker.submit(theirs, '/dashboard/sign-out')).status, 303)
})

t.test('cookies that are set over https are sent only over https', async (t) => {
  const service = await startService(t, { environment: { TRUST_PROXY: '127.0.0.1' } })
  const headers = { 'x-forwarded-proto': 'https' }
  const response = await fetch(`${service.url}/dashboard/sign-in`, { headers })
  t.match(
    response.headers.getSetCookie().join('\n'),
    /^_csrf=\S+; Path=\/dashboard; HttpOnly; Secure; SameSite=Strict$/m,
  )
})

t.test('a key without the role read cannot sign in, and is told why', async (t) => {
  const service = await startWithKeys(t, { signals: { roles: ['signal'] } })
  const browser = new Browser(service.url)
  const form = await browser.get('/dashboard/sign-in')
  const { status, text } = await browser.submit(form, '/dashboard/sign-in', { key: keyOf('signals') })
  t.equal(status, 403)
  t.match(text, 'This page requires the role &#34;read&#34;.')
  t.notOk(await isSignedIn(browser))
})

t.test('the header names the key and its roles, and a key that expires soon is announced', async (t) => {
  const clock = fakeClock()
  const expiresAt = new Date(clock.now() + 15 * 24 * HOUR_MS).toISOString()
  const keys = { ops: { roles: ['read', 'operate'], expiresAt } }
  const service = await startWithKeys(t, keys, { clock, sandbox: { now: clock.now } })
  const shown = async () => (await (await signIn(service, keyOf('ops'))).get('/dashboard')).text
  t.match(await shown(), '<span class="key">ops: read, operate</span>')
  t.notMatch(await shown(), 'expires at')
  clock.leap(2 * 24 * HOUR_MS)
  t.match(await shown(), 'This API key expires at')
})

async function refuses(t: Test, service: Service, cookie: string): Promise<void> {
  const browser = new Browser(service.url)
  browser.setCookie('curfew-session', cookie)
  t.notOk(await isSignedIn(browser))
}

t.test('a session that is forged, or of another process, is refused', async (t) => {
  const service = await startService(t)
  const cookie = String((await signIn(service)).cookies.get('curfew-session'))
  const another = await startService(t)
  await refuses(t, another, cookie)
  const parts = cookie.split('.')
  await refuses(t, service, [...parts.slice(0, 4), 'AAAAAAAAAAAAAAAAAAAAAA'].join('.'))
  await refuses(t, service, 'x')
})

t.test('replicas with the same secret accept the same session', async (t) => {
  const environment = { DASHBOARD_SECRET: 'a secret that all replicas know: 42' }
  const service = await startService(t, { environment })
  const another = await startService(t, { environment })
  const browser = new Browser(another.url)
  browser.setCookie('curfew-session', String((await signIn(service)).cookies.get('curfew-session')))
  t.ok(await isSignedIn(browser))
})

t.test('a session ends after eight hours, and with its key', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const browser = await signIn(service)
  const other = await signIn(service, OTHER_API_KEY)
  service.environment.API_KEYS = API_KEY
  t.equal((await service.call('POST', '/config/reload')).status, 200)
  t.notOk(await isSignedIn(other))
  t.notOk(other.cookies.has('curfew-session'))
  clock.leap(8 * HOUR_MS - 1_000)
  t.ok(await isSignedIn(browser))
  clock.leap(2_000)
  t.notOk(await isSignedIn(browser))
})

t.test('without API keys, there is no dashboard', async (t) => {
  const service = await startService(t, {
    environment: { API_KEYS: '', WEBHOOK_SECRETS: `whsec_${Buffer.alloc(24, 1).toString('base64')}` },
  })
  for (const path of ['/dashboard', '/dashboard/sign-in', '/dashboard/style.css'])
    t.equal((await new Browser(service.url).get(path)).status, 404)
})

t.test('with an operators’ listener, the dashboard is only there', async (t) => {
  const service = await startService(t, { environment: { OPS_PORT: '0' } })
  t.equal((await new Browser(service.url).get('/dashboard/sign-in')).status, 404)
  t.equal((await new Browser(String(service.operatorsUrl)).get('/dashboard/sign-in')).status, 200)
})
