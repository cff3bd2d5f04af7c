import t from 'tap'
import { ERRORS } from '../../src/base/errors.ts'
import { entriesOf, withKey } from '../support/api-keys.ts'
import { testClock } from '../support/clock.ts'
import { configurationFile, sandboxTenant } from '../support/config-file.ts'
import { startService } from '../support/service.ts'

t.test('failed revocations are counted by error, with what to do, for each key of its tenants', async (t) => {
  const { entry } = await sandboxTenant(t, 'acme')
  const apiKeys = entriesOf({
    own: { tenants: ['default'], roles: ['read'] },
    other: { tenants: ['acme'], roles: ['read'] },
  })
  const { path } = configurationFile(t, { apiKeys, tenants: [entry] })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  const fail = async (userId: string) => {
    const { json } = await service.call('POST', '/logout-hook', { body: { userId } })
    return service.ended(json.id)
  }
  const failures = async (options = {}) => (await service.call('GET', '/revocations/failures', options)).json
  t.same(await failures(), { items: [] })
  service.sandbox.tenant.order({ kind: 'status', status: 400, route: 'list' })
  await fail('u1')
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list', times: 2 })
  await fail('u2')
  await fail('u3')
  const item = (code: keyof typeof ERRORS, value: number) => ({
    ...{ code, title: ERRORS[code].title, action: ERRORS[code].action },
    ...{ count: { value, isExact: true }, tenants: [{ tenant: 'default', count: value }] },
  })
  const expected = { items: [item('CURFEW_QLIK_FORBIDDEN', 2), item('CURFEW_QLIK_REJECTED', 1)] }
  t.same(await failures(), expected)
  t.same(await failures(withKey('own')), expected)
  t.same(await failures(withKey('other')), { items: [] })
  for (let count = 0; count < 10; count += 1) await failures()
  service.sandbox.tenant.order({ kind: 'status', status: 400, route: 'list' })
  await fail('u4')
  t.same(await failures(), expected, 'after many requests, the counts are kept')
  t.same((await failures(withKey('own'))).items[1].count, { value: 2, isExact: true })
  testClock.skip(10_000)
  t.same((await failures()).items[1].count, { value: 2, isExact: true })
})
