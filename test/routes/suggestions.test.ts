import t from 'tap'
import { startWithKeys, withKey } from '../support/api-keys.ts'

t.test('suggestions are names that the key may see', async (t) => {
  const service = await startWithKeys(t, {
    ops: {},
    reader: { roles: ['read'], tenants: ['default'] },
  })
  await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })
  const all = await service.call('GET', '/suggestions', withKey('ops'))
  t.same(all.json.tenant, ['default'])
  t.ok(all.json.key.includes('ops') && all.json.key.includes('reader'))
  t.ok(all.json.code.includes('CURFEW_QLIK_UNAVAILABLE'))
  t.ok(all.json.event.includes('revocation-verified'))
  t.notMatch(all.text, 'ann')
  const some = await service.call('GET', '/suggestions', withKey('reader'))
  t.match(some.json, { tenant: ['default'], source: [], key: [] })
})
