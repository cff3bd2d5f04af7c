import t from 'tap'
import { keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { isProblem } from '../support/problems.ts'
import { signed } from '../support/webhook.ts'

t.test('a key sees its own name, roles, tenants, validity and limit, and no secret', async (t) => {
  const service = await startWithKeys(t, {
    reader: { roles: ['read'], tenants: ['default'], expiresAt: '2999-01-01T00:00:00Z' },
    exempt: { massRevocation: true },
  })
  const { text, json } = await service.call('GET', '/key', withKey('reader'))
  t.same(json, {
    ...{ name: 'reader', roles: ['read'], tenants: ['default'] },
    ...{ notBefore: null, expiresAt: '2999-01-01T00:00:00.000Z' },
    brake: { users: 20_000, windowMs: 600_000 },
  })
  t.notMatch(text, keyOf('reader'))
  t.match((await service.call('GET', '/key', withKey('exempt'))).json, { tenants: null, brake: null })
})

t.test('without a brake, a key has no limit', async (t) => {
  const service = await startWithKeys(t, {}, { environment: { MASS_REVOCATION_USERS: '0' } })
  t.equal((await service.call('GET', '/key')).json.brake, null)
})

t.test('an unknown key, and a signature, see nothing', async (t) => {
  const service = await startWithKeys(t, {})
  isProblem(t, await service.call('GET', '/key', withKey('unknown')), 'CURFEW_UNAUTHENTICATED')
  const headers = { ...signed(''), authorization: '' }
  isProblem(t, await service.call('GET', '/key', { headers }), 'CURFEW_UNAUTHENTICATED')
})
