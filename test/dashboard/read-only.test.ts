import t, { type Test } from 'tap'
import { keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { type Browser, signedIn } from '../support/browser.ts'
import type { Service } from '../support/service.ts'

const KEYS = { reader: { roles: ['read'] }, ops: {} }
const FORMS = ['/revocations/confirm', '/revocations/change', '/revoke/preview', '/revoke/send']

/** Nothing is offered, and no form is accepted. */
async function changesNothing(t: Test, service: Service, browser: Browser, code: string): Promise<void> {
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: 'u1' }, ...withKey('ops') })
  const list = await browser.get('/dashboard/revocations')
  const paths = ['/dashboard/failed', `/dashboard/revocations/${json.id}`]
  for (const { text } of [list, ...(await Promise.all(paths.map((path) => browser.get(path))))]) {
    t.match(text, ': read-only</span>')
    t.notMatch(text, /name="action"|name="ids"|dashboard\/revoke"/)
  }
  const fields = { action: 'cancel', of: 'selected', ids: json.id, users: 'u2', reason: 'security' }
  for (const path of FORMS) {
    const { status, text } = await browser.submit(list, `/dashboard${path}`, fields)
    t.equal(status, 403, path)
    t.match(text, code)
  }
  t.equal((await service.stored()).length, 1)
  t.match(await browser.submit(list, '/dashboard/sign-out'), { status: 303 })
}

t.test('a key without the role operate changes nothing', async (t) => {
  const service = await startWithKeys(t, KEYS)
  await changesNothing(t, service, await signedIn(service, keyOf('reader')), 'requires the role')
})

t.test('with DASHBOARD_READ_ONLY, no key changes anything', async (t) => {
  const service = await startWithKeys(t, KEYS, { environment: { DASHBOARD_READ_ONLY: 'true' } })
  await changesNothing(t, service, await signedIn(service, keyOf('ops')), 'The dashboard is read-only')
})
