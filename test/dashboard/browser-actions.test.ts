import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { open, signIn, skip, violationsOf } from '../support/chromium.ts'
import { folderWith, type Service, startService } from '../support/service.ts'

/** A service with revocations that failed and would succeed now, and the ids. */
async function withFailed(t: Test, count: number): Promise<{ service: Service; ids: string[] }> {
  const service = await startService(t)
  const ids: string[] = []
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list', times: count })
  for (let index = 0; index < count; index += 1) {
    const email = `user-${index}@example.com`
    service.userWithTokens(1, { email })
    const { json } = await service.call('POST', '/logout-hook', { body: { email } })
    await service.ended(json.id)
    ids.push(json.id)
  }
  return { service, ids }
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const heading = (page: Page, name: string) =>
  page.getByRole('heading', { name, level: 1, exact: true }).waitFor()

t.test('everything that matches is retried, after a confirmation', { skip }, async (t) => {
  const { service, ids } = await withFailed(t, 3)
  const { page, complaints } = await open(t, service)
  await signIn(page)
  await page.getByRole('link', { name: 'Revocations' }).click()
  await page.getByLabel('Status').selectOption('failed')
  await button(page, 'Search').click()
  await page.getByText('3 found').waitFor()
  await page.getByLabel('Change').selectOption('all that match (3)')
  await button(page, 'Retry…').click()
  await heading(page, 'Retry 3 revocations?')
  await button(page, 'Retry').click()
  await heading(page, '3 revocations retried')
  for (const id of ids) t.match(await service.ended(id), { status: 'completed' })
  t.same(complaints, [])
})

/** Moves the focus to the element with this name. */
async function tabTo(page: Page, name: string, key = 'Tab'): Promise<void> {
  const named = `(({ ariaLabel, id, textContent }) => [ariaLabel, id, textContent])(document.activeElement)`
  for (let count = 0; count < 100; count += 1) {
    if ((await page.evaluate<string[]>(named)).includes(name)) return
    await page.keyboard.press(key)
  }
  throw new Error(`The keyboard does not reach ${name}.`)
}

t.test('with the keyboard alone, a selection is cancelled', { skip }, async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'hang', route: 'list', times: 2 })
  const ids: string[] = []
  for (const userId of ['ann', 'ben'])
    ids.push((await service.call('POST', '/logout-hook', { body: { userId } })).json.id)
  const { page } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revocations')
  await tabTo(page, 'Select ann')
  await page.keyboard.press('Space')
  await tabTo(page, 'Cancel…', 'Shift+Tab')
  await page.keyboard.press('Enter')
  await heading(page, 'Cancel 1 revocation?')
  await tabTo(page, 'Cancel')
  await page.keyboard.press('Enter')
  await heading(page, '1 revocation cancelled')
  const states = await Promise.all(ids.map((id) => service.call('GET', `/revocations/${id}`)))
  t.equal(states[0]?.json.status, 'cancelled')
  t.not(states[1]?.json.status, 'cancelled')
})

for (const colorScheme of ['light', 'dark'] as const)
  t.test(
    `every page with an action is accessible, ${colorScheme}, and reports no error`,
    { skip },
    async (t) => {
      const { service, ids } = await withFailed(t, 2)
      const { page, complaints } = await open(t, service, { colorScheme })
      await signIn(page)
      for (const path of ['/revocations', `/revocations/${ids[0]}`, '/failed', '/revoke']) {
        await page.goto(`/dashboard${path}`)
        t.same(await violationsOf(page), [], path)
      }
      await page.getByLabel('Users').fill('user-0@example.com\n@')
      await button(page, 'Dry run').click()
      await heading(page, 'Revoke the tokens of 1 user?')
      t.same(await violationsOf(page), [], 'the dry run')
      await page.getByLabel('Skip 1 invalid line').check()
      await button(page, 'Revoke the tokens of 1 user').click()
      await heading(page, 'Batch')
      t.same(await violationsOf(page), [], 'the batch')
      await page.goto('/dashboard/failed')
      await button(page, 'Retry…').first().click()
      await heading(page, 'Retry 2 revocations?')
      t.same(await violationsOf(page), [], 'the question')
      await button(page, 'Retry').click()
      await heading(page, '2 revocations retried')
      t.same(await violationsOf(page), [], 'the answer')
      t.same(complaints, [])
    },
  )

t.test('a selection survives what happens in the meantime', { skip }, async (t) => {
  const { service } = await withFailed(t, 1)
  const { page } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revocations')
  const box = page.getByLabel('Select user-0@example.com')
  await box.check()
  await button(page, 'Retry…').focus()
  await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
  await page.evaluate('refresh()')
  t.ok(await box.isChecked())
  await box.uncheck()
  await page.getByLabel('Change').selectOption('the selected ones')
  await button(page, 'Retry…').focus()
  await page.evaluate('refresh()')
  t.equal(await page.getByText('1 found').count(), 1, 'the focus is on a button')
  await page.getByRole('heading', { level: 1 }).click()
  await page.getByLabel('Status').selectOption('failed')
  await page.evaluate('document.activeElement.blur(); refresh()')
  t.equal(await page.getByLabel('Status').inputValue(), 'failed', 'a choice is kept')
  await page.getByLabel('Status').selectOption('')
  await page.evaluate('document.activeElement.blur(); refresh()')
  await page.getByText('2 found').waitFor()
})

t.test('an update that changes nothing touches nothing', { skip }, async (t) => {
  const { service } = await withFailed(t, 1)
  const { page } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revocations')
  await page.evaluate("document.querySelector('table').id = 'mark'; refresh()")
  t.equal(await page.locator('#mark').count(), 1)
  await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
  await page.getByRole('link', { name: 'ann' }).waitFor()
  t.equal(await page.locator('#mark').count(), 0)
})

t.test('the form that asks for users is not loaded again', { skip }, async (t) => {
  const service = await startService(t)
  const { page } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revoke')
  t.equal(await page.locator('main[data-live]').count(), 0)
  await page.goto('/dashboard/failed')
  t.equal(await page.locator('main[data-live]').count(), 1)
})

t.test('a page says that its session has ended, and follows no longer', { skip }, async (t) => {
  const service = await startService(t)
  const { page } = await open(t, service)
  await signIn(page)
  await page.context().clearCookies()
  await page.evaluate('leave(); follow()')
  await page.getByText('Your session has ended. Sign in again.').waitFor()
  t.equal(await page.evaluate('follow(); stream'), null)
})

t.test('a large change continues by itself', { skip }, async (t) => {
  const service = await startService(t, { environment: { MASS_REVOCATION_USERS: '1' } })
  const users = Array.from({ length: 1_002 }, (_, index) => ({ userId: `u${index}` }))
  for (const part of [users.slice(0, 1_000), users.slice(1_000)])
    await service.call('POST', '/revocations', { body: { users: part } })
  const { page, complaints } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revocations?status=held')
  await page.getByLabel('Change').selectOption('matching')
  await button(page, 'Cancel…').click()
  await heading(page, 'Cancel 1001 revocations?')
  await button(page, 'Cancel').click()
  await heading(page, '1001 revocations cancelled')
  t.same(complaints, [])
})

t.test('a chosen file fills the form', { skip }, async (t) => {
  const service = await startService(t)
  const { page, complaints } = await open(t, service)
  await signIn(page)
  await page.goto('/dashboard/revoke')
  const folder = folderWith(t, { 'users.csv': 'email\nann@example.com\nben@example.com\n' })
  await page.getByLabel('CSV file').setInputFiles(join(folder, 'users.csv'))
  await page.waitForFunction("document.getElementById('users').value.includes('ben@example.com')")
  await button(page, 'Dry run').click()
  await heading(page, 'Revoke the tokens of 2 users?')
  t.equal(await page.getByText('no-matching-user').count(), 2)
  t.same(complaints, [])
})

t.test('without JavaScript, actions work', { skip }, async (t) => {
  const { service, ids } = await withFailed(t, 1)
  const { page } = await open(t, service, { javaScriptEnabled: false })
  await signIn(page)
  await page.goto('/dashboard/revoke')
  t.notOk(await page.getByLabel('CSV file').isVisible())
  await page.getByRole('link', { name: 'Failed' }).click()
  await button(page, 'Retry…').click()
  await button(page, 'Retry').click()
  await heading(page, '1 revocation retried')
  t.match(await service.ended(String(ids[0])), { status: 'completed' })
})

t.test('on a narrow screen, no action is cut off', { skip }, async (t) => {
  const { service, ids } = await withFailed(t, 1)
  const { page } = await open(t, service, { viewport: { width: 320, height: 640 } })
  await signIn(page)
  for (const path of ['/revocations', `/revocations/${ids[0]}`, '/failed', '/revoke']) {
    await page.goto(`/dashboard${path}`)
    t.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false, path)
  }
})
