import t from 'tap'
import { entriesOf, keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { API_KEY } from '../support/service.ts'

const T0 = Date.parse('2026-05-04T12:00:00Z')
const LATER = '2026-12-01T00:00:00.000Z'

t.test('readiness shows operators each key and its last use', async (t) => {
  const clock = fakeClock(T0)
  const service = await startWithKeys(
    t,
    {
      reader: { roles: ['read'], expiresAt: LATER },
      operator: { roles: ['operate'] },
      admin: { roles: ['admin'] },
    },
    { clock, sandbox: { now: clock.now } },
  )
  const shownTo = async (authorization: string) => {
    const { headers, json, text } = await service.call('GET', '/health/ready', { headers: { authorization } })
    t.notMatch(text, /sha256|0123456789abcdef/, 'neither keys nor digests')
    t.equal(headers.get('cache-control'), 'no-store')
    return json.apiKeys
  }
  for (const authorization of ['', 'Bearer wrong-key-0123456789abcdef', `Bearer ${keyOf('reader')}`])
    t.equal(await shownTo(authorization), undefined, authorization)

  clock.advance(1_000)
  await service.call('GET', '/revocations', withKey('reader'))
  clock.advance(1_000)
  await service.call('POST', '/config/reload', withKey('reader'))
  clock.advance(1_000)
  const all = { roles: ['signal', 'read', 'sessions', 'operate', 'admin'], tenants: null }
  const unlimited = { notBefore: null, expiresAt: null }
  const expected = (lastUse: string | null) => [
    { name: 'API_KEYS[0]', ...all, ...unlimited, lastUsedAt: null },
    { name: 'API_KEYS[1]', ...all, ...unlimited, lastUsedAt: null },
    {
      name: 'reader',
      roles: ['read'],
      tenants: null,
      notBefore: null,
      expiresAt: LATER,
      lastUsedAt: '2026-05-04T12:00:02.000Z',
    },
    {
      name: 'operator',
      roles: ['operate'],
      tenants: null,
      ...unlimited,
      lastUsedAt: '2026-05-04T12:00:03.000Z',
    },
    { name: 'admin', roles: ['admin'], tenants: null, ...unlimited, lastUsedAt: lastUse },
  ]
  t.same(await shownTo(`Bearer ${keyOf('operator')}`), expected(null), 'rejected for its role also counts')
  t.same(await shownTo(`Bearer ${keyOf('admin')}`), expected('2026-05-04T12:00:03.000Z'))
})

t.test('a restricted operator sees only keys restricted to its tenants', async (t) => {
  const service = await startWithKeys(t, {
    mine: { roles: ['operate'], tenants: ['default'] },
    unrestricted: {},
    sibling: { roles: ['read'], tenants: ['default'] },
  })
  const { json } = await service.call('GET', '/health/ready', withKey('mine'))
  t.match(json.apiKeys, [{ name: 'mine' }, { name: 'sibling' }])
  t.equal(json.apiKeys.length, 2)
})

t.test('a reload keeps the last use of keys that stay, also in another form and position', async (t) => {
  const { file, ...service } = await startWithKeys(t, { first: {}, second: {} })
  const uses = async () => {
    const { json } = await service.call('GET', '/health/ready')
    const keys: { name: string; lastUsedAt: string | null }[] = json.apiKeys
    return Object.fromEntries(keys.map(({ name, lastUsedAt }) => [name, lastUsedAt]))
  }
  await service.call('GET', '/revocations', withKey('first'))
  const { first } = await uses()
  t.type(first, 'string')
  file.write({
    apiKeys: entriesOf({ second: {}, renamed: { key: keyOf('first'), roles: ['read'] }, third: {} }),
  })
  t.equal((await service.call('POST', '/config/reload')).status, 200)
  t.match(await uses(), { second: null, renamed: first, third: null })
  file.write('{')
  t.equal((await service.call('POST', '/config/reload')).status, 422)
  t.match(await uses(), { renamed: first }, 'also after a failed reload')
  t.notMatch(service.logLines.join(''), API_KEY)
})
