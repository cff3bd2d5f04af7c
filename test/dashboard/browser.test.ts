import t, { type Test } from 'tap'
import { busyDay, NOW } from '../support/busy-day.ts'
import { open, signIn, skip, violationsOf } from '../support/chromium.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

async function busyService(t: Test): Promise<{ service: Service; id: string }> {
  const service = await startService(t)
  const user = service.userWithTokens(2)
  const { id } = await service.revoke({ userId: user.id })
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list' })
  await service.revoke({ email: 'ann@example.com' })
  return { service, id }
}

/** Where screenshots are written: see `npm run screenshots`. */
const SCREENSHOTS = process.env.SCREENSHOTS
/** Of each page, the height of its screenshot, if it is in the documentation. */
const PAGES = {
  now: 1_000,
  revocations: null,
  revocation: null,
  failed: null,
  revoke: null,
  senders: 640,
  receivers: null,
  audit: null,
  'sign-in': null,
}

t.test('every page is accessible, light and dark, and reports no error', { skip }, async (t) => {
  const { service, apiKey, id } = await busyDay(t)
  for (const colorScheme of ['light', 'dark'] as const) {
    const size = { viewport: { width: 1_280, height: 800 } }
    const place = { locale: 'en-GB', timezoneId: 'Europe/Berlin' }
    const { page, complaints } = await open(t, service, { colorScheme, ...size, ...place })
    await page.clock.setFixedTime(NOW)
    await signIn(page, apiKey)
    for (const [name, height] of Object.entries(PAGES)) {
      const path = { now: '', revocation: `/revocations/${id}` }[name] ?? `/${name}`
      await page.goto(`/dashboard${path}`)
      t.same(await violationsOf(page), [], `${name} ${colorScheme}`)
      if (!SCREENSHOTS || height === null) continue
      await page.setViewportSize({ width: 1_280, height })
      await page.screenshot({ path: `${SCREENSHOTS}/dashboard-${name}-${colorScheme}.png` })
    }
    t.same(complaints, [])
  }
})

t.test('a page shows what happens without being loaded again', { skip }, async (t) => {
  const service = await startService(t)
  const { page, complaints } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revocations')
  await page.getByText('No revocation yet').waitFor()
  await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
  await page.getByRole('link', { name: 'ann' }).waitFor()
  t.equal(await page.getByText('1 found').count(), 1)
  t.same(complaints, [])
})

t.test('an update keeps the focus, and what was opened', { skip }, async (t) => {
  const service = await startService(t)
  await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
  const { page } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/audit')
  await page.getByText('Show', { exact: true }).first().click()
  const shown = page.locator('td details[open]')
  const text = await shown.textContent()
  await service.call('POST', '/logout-hook', { body: { userId: 'ben' } })
  await page.getByRole('link', { name: 'ben' }).first().waitFor()
  t.equal(await shown.textContent(), text)
  t.equal(await page.evaluate('document.activeElement.tagName'), 'SUMMARY')
  t.equal(await page.evaluate('document.activeElement.parentElement.open'), true)
})

t.test('with too many open pages, a page says so and updates calmly', { skip }, async (t) => {
  const service = await startService(t)
  const { page } = await open(t, service)
  await signIn(page)
  const cookies = await page.context().cookies()
  const headers = { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') }
  await page.goto('about:blank')
  for (let opened = 0; opened < 30; ) {
    const { status } = await fetch(`${service.url}/dashboard/events`, { headers })
    if (status === 200) opened += 1
  }
  await page.clock.install()
  await page.goto('/dashboard/revocations')
  await page.getByText('Live updates are off').waitFor()
  await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
  t.equal(await page.getByRole('link', { name: 'ann' }).count(), 0)
  await page.clock.fastForward(30_000)
  await page.getByRole('link', { name: 'ann' }).waitFor()
})

t.test('filters suggest what is configured', { skip }, async (t) => {
  const service = await startService(t)
  const { page } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revocations')
  const suggested = 'document.getElementById("tenant").list.options[0].value'
  t.equal(await page.evaluate(suggested), 'default')
  await page.getByText('More filters').click()
  await page.getByLabel('Accepted since').fill('nonsense')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByRole('alert').waitFor()
  t.match(await page.getByRole('alert').textContent(), 'The request is invalid')
})

t.test('the keyboard suffices', { skip }, async (t) => {
  const { service } = await busyService(t)
  const { page } = await open(t, service)
  await page.goto('/dashboard/sign-in')
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to content')
  await page.keyboard.press('Tab')
  await page.keyboard.type(API_KEY)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Now' }).waitFor()
  while ((await page.evaluate('document.activeElement.textContent')) !== 'Revocations')
    await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Revocations' }).waitFor()
  await page.getByLabel('E-mail').focus()
  await page.keyboard.type('ann@example.com')
  await page.keyboard.press('Enter')
  await page.getByText('1 found').waitFor()
  t.match(page.url(), 'email=ann%40example.com')
})

t.test('without JavaScript, the pages work', { skip }, async (t) => {
  const { service, id } = await busyService(t)
  const { page } = await open(t, service, { javaScriptEnabled: false })
  await signIn(page)
  await page.getByRole('link', { name: 'Revocations' }).click()
  await page.goto(`/dashboard/revocations/${id}`)
  t.match(await page.locator('time').first().textContent(), / UTC$/)
})

t.test('on a narrow screen, nothing is cut off', { skip }, async (t) => {
  const { service } = await busyService(t)
  const { page } = await open(t, service, { viewport: { width: 320, height: 640 } })
  await signIn(page)
  for (const path of ['', '/revocations', '/senders', '/audit'].map((path) => `/dashboard${path}`)) {
    await page.goto(path)
    t.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false, path)
  }
})
