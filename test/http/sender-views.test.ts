import t from 'tap'
import { LastRequests } from '../../src/http/last-requests.ts'
import { sendersVisibleTo } from '../../src/http/sender-views.ts'
import { entriesOf, keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { configurationFile } from '../support/config-file.ts'
import { API_KEY, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const T0 = Date.parse('2026-05-04T12:00:00Z')
const iso = (ms: number) => new Date(ms).toISOString()
const SIGNAL = '{"userId":"u1"}'
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
  const unused = { lastUsedAt: null, lastAcceptedAt: null, lastRejected: null }
  const expected = (lastUse: string | null) => [
    { name: 'API_KEYS[0]', ...all, ...unlimited, ...unused },
    { name: 'API_KEYS[1]', ...all, ...unlimited, ...unused },
    {
      name: 'reader',
      roles: ['read'],
      tenants: null,
      notBefore: null,
      expiresAt: LATER,
      lastUsedAt: '2026-05-04T12:00:02.000Z',
      lastAcceptedAt: '2026-05-04T12:00:01.000Z',
      lastRejected: { at: '2026-05-04T12:00:02.000Z', code: 'CURFEW_ROLE_REQUIRED', authenticated: true },
    },
    {
      name: 'operator',
      roles: ['operate'],
      tenants: null,
      ...unlimited,
      ...unused,
      lastUsedAt: '2026-05-04T12:00:03.000Z',
    },
    { name: 'admin', roles: ['admin'], tenants: null, ...unlimited, ...unused, lastUsedAt: lastUse },
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

t.test('operators see the last accepted and the last rejected request of each sender', async (t) => {
  const clock = fakeClock(T0)
  const vendor = { name: 'vendor', kind: 'okta-event-hook', secret: 'a-shared-secret-of-32-characters' }
  const file = configurationFile(t, {
    sources: [vendor, { ...vendor, name: 'quiet' }],
    apiKeys: entriesOf({
      guest: { expiresAt: iso(T0 + 1_000) },
      mine: { roles: ['admin'], tenants: ['default'] },
    }),
  })
  const environment = { CONFIG_FILE: file.path }
  const service = await startService(t, { clock, sandbox: { now: clock.now }, environment })
  const send = (path: string, headers: Record<string, string>, body: string | object) => {
    clock.advance(1_000)
    const type = { 'content-type': 'application/json' }
    return service.call('POST', path, { headers: { authorization: '', ...type, ...headers }, body })
  }
  const shown = async (authorization = `Bearer ${API_KEY}`) =>
    (await service.call('GET', '/health/ready', { headers: { authorization } })).json
  const secretOf = ({ webhookSecrets }: { webhookSecrets: object[] }) => webhookSecrets[0]
  const [none, ...others] = (await shown()).sources
  t.same(none, { name: 'vendor', kind: 'okta-event-hook', lastAcceptedAt: null, lastRejected: null })
  t.equal(others.length, 1)

  await send('/logout-hook', signed('{}', { at: T0 }), '{}')
  t.match(secretOf(await shown()), {
    name: 'WEBHOOK_SECRETS[0]',
    tenants: null,
    lastAcceptedAt: null,
    lastRejected: { at: iso(T0 + 1_000), code: 'CURFEW_REQUEST_INVALID', authenticated: true },
  })
  await send('/logout-hook', signed(SIGNAL, { at: T0 }), SIGNAL)
  t.match(secretOf(await shown()), { lastAcceptedAt: iso(T0 + 2_000), lastRejected: { at: iso(T0 + 1_000) } })

  await send('/logout-hook', withKey('guest').headers, { userId: 'u1' })
  const guest = (await shown()).apiKeys.find(({ name }: { name: string }) => name === 'guest')
  const rejected = { at: iso(T0 + 3_000), code: 'CURFEW_UNAUTHENTICATED', authenticated: false }
  t.match(guest, { lastUsedAt: null, lastAcceptedAt: null, lastRejected: rejected }, 'it has expired')

  await send('/sources/vendor/webhook', { authorization: vendor.secret }, { data: { events: [] } })
  await send('/sources/vendor/webhook', { authorization: 'wrong' }, {})
  await send('/sources/vendor/webhook', { authorization: vendor.secret }, '{')
  const seen = {
    lastAcceptedAt: iso(T0 + 4_000),
    lastRejected: { at: iso(T0 + 6_000), code: 'CURFEW_BODY_UNREADABLE', authenticated: true },
  }
  t.match((await shown()).sources, [
    { name: 'vendor', ...seen },
    { name: 'quiet', lastAcceptedAt: null },
  ])
  t.match(
    await shown(`Bearer ${keyOf('mine')}`),
    { sources: [seen, {}], webhookSecrets: [] },
    'of its tenant',
  )
  const { sources, webhookSecrets } = await shown('')
  t.same([sources, webhookSecrets], [undefined, undefined])
  t.notMatch(JSON.stringify(await shown()), vendor.secret)
})

t.test('a restricted operator sees only sources of its tenants', async (t) => {
  const sender = {
    kind: 'api-key',
    name: 'k',
    fingerprint: 'f',
    roles: ['operate'],
    tenants: ['b', 'c'],
  } as const
  const entries = [
    { name: 'default-tenant' },
    { name: 'own', tenant: 'b' },
    { name: 'other', tenant: 'a' },
    { name: 'any', tenantFrom: '{t}' },
    { name: 'two', tenantFrom: '{t}', tenants: ['c', 'b'] },
    { name: 'three', tenantFrom: '{t}', tenants: ['a', 'b', 'c'] },
  ].map((entry) => ({ kind: 'generic', ...entry }))
  const options = {
    senders: { apiKeys: () => [], webhookSecrets: () => [] },
    sources: { entries: () => entries },
    last: new LastRequests({ now: () => 0 }),
    tenants: { names: () => ['a', 'b', 'c'] },
  }
  const namesFor = (tenants: string[] | null) =>
    sendersVisibleTo({ ...sender, tenants }, options).sources?.map(({ name }) => name)
  t.same(namesFor(['b', 'c']), ['own', 'two'])
  t.equal(namesFor(null)?.length, entries.length)
})

t.test('the last requests of a bounded number of senders are remembered', async (t) => {
  const last = new LastRequests({ now: () => 5 })
  for (let index = 0; index < 20_001; index += 1) last.accepted({ kind: 'source', id: `s${index}` })
  t.same(last.of({ kind: 'source', id: 's0' }), { acceptedAt: null, rejected: null })
  t.equal(last.of({ kind: 'source', id: 's1' }).acceptedAt, 5)
})
