import { once } from 'node:events'
import { get } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import Fastify from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ROLES } from '../../src/base/role.ts'
import authenticate from '../../src/http/authenticate.ts'
import limits from '../../src/http/limits.ts'
import problems from '../../src/http/problems.ts'
import { Senders } from '../../src/http/senders.ts'
import strictRoutes from '../../src/http/strict-routes.ts'
import audit from '../../src/routes/audit.ts'
import { entriesOf, keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { verifyLines } from '../support/audit-export.ts'
import { configurationFile, sandboxTenant } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

// biome-ignore lint/suspicious/noExplicitAny: JSON that is only read
type Json = any

const linesOf = (text: string) => text.split(/(?<=\n)/)
const list = async ({ call }: Pick<Service, 'call'>, query = ''): Promise<Json[]> =>
  (await call('GET', `/audit${query}`)).json.items
const eventsOf = (items: Json[]) => items.map(({ entry }) => entry.event)

/** A service with a second tenant, `emea`, and a key that is restricted to it. */
async function startWithTenants(t: Test) {
  const emea = await sandboxTenant(t, 'emea')
  const keys = entriesOf({ local: { tenants: ['emea'] }, reader: { roles: ['read'] } })
  const file = configurationFile(t, { apiKeys: keys, tenants: [emea.entry] })
  return startService(t, { environment: { CONFIG_FILE: file.path } })
}

t.test('it lists entries with their personal data, newest first', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { email: 'ann@example.com' })
  const { id } = await service.revoke({ email: 'ann@example.com' })
  const items = await list(service)
  const events = eventsOf(items)
  t.equal(events.at(-1), 'chain-started')
  for (const event of ['signal-accepted', 'revocation-ended', 'revocation-verified'])
    t.ok(events.includes(event), event)
  t.ok(events.indexOf('revocation-ended') < events.indexOf('signal-accepted'))
  const accepted = items.find(({ entry }) => entry.event === 'signal-accepted')
  t.match(accepted, {
    entry: { by: { kind: 'api-key', name: 'API_KEYS[0]' }, address: '127.0.0.1', revocation: id },
    private: { user: { kind: 'email', value: 'ann@example.com' } },
  })
  t.notMatch(JSON.stringify(items), API_KEY)
})

t.test('filters', async (t) => {
  const service = await startWithKeys(t, { crm: {} })
  service.sandbox.tenant.order({ kind: 'hang', times: Number.POSITIVE_INFINITY })
  const { json: ann } = await service.call('POST', '/logout-hook', {
    body: { email: 'ann@example.com' },
    ...withKey('crm'),
  })
  const { json: bob } = await service.call('POST', '/logout-hook', { body: { subject: 'bob' } })
  const revocationsFor = async (query: string) =>
    (await list(service, query)).map(({ entry }) => entry.revocation)
  t.same(await revocationsFor('?email=ann@example.com'), [ann.id])
  t.same(await revocationsFor('?subject=bob'), [bob.id])
  t.same(await revocationsFor('?userId=bob'), [])
  t.same(await revocationsFor('?sender=crm&event=signal-accepted'), [ann.id])
  t.same(await revocationsFor(`?revocation=${bob.id}`), [bob.id])
  t.same(await revocationsFor('?event=signal-accepted'), [bob.id, ann.id])
  t.same(await revocationsFor('?event=signal-accepted&tenant=other'), [])
  const [{ entry }] = await list(service, '?subject=bob')
  const at = (ms: number) => encodeURIComponent(new Date(ms).toISOString())
  t.same(await revocationsFor(`?subject=bob&from=${at(entry.at)}&to=${at(entry.at + 1)}`), [bob.id])
  t.same(await revocationsFor(`?subject=bob&to=${at(entry.at)}`), [])

  const all: string[] = []
  let cursor: string | null = ''
  do {
    const { json }: Json = await service.call('GET', `/audit?limit=1${cursor && `&cursor=${cursor}`}`)
    all.push(...json.items.map(({ hash }: Json) => hash))
    cursor = json.nextCursor
  } while (cursor !== null)
  t.same(
    all,
    (await list(service)).map(({ hash }) => hash),
  )

  for (const [query, member] of [
    ['email=ann@example.com&subject=bob', 'userId'],
    ['event=unknown', 'event'],
    ['from=yesterday', 'from'],
    ['revocation=1', 'revocation'],
    ['cursor=x', 'cursor'],
    ['limit=1001', 'limit'],
    ['users=bob', 'users'],
  ])
    t.match((await service.call('GET', `/audit?${query}`)).json, {
      code: 'CURFEW_REQUEST_INVALID',
      errors: [{ member }],
    })
})

t.test('a key that is restricted to tenants sees only their entries, and cannot export', async (t) => {
  const service = await startWithTenants(t)
  for (const tenant of ['default', 'emea'])
    await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com', tenant } })
  const seen: Json[] = (await service.call('GET', '/audit', withKey('local'))).json.items
  t.ok(seen.length > 0)
  t.ok(seen.every(({ entry }) => entry.tenant === 'emea'))
  t.same((await service.call('GET', '/audit?tenant=default', withKey('local'))).json, {
    items: [],
    nextCursor: null,
  })
  isProblem(t, await service.call('GET', '/audit/export', withKey('local')), 'CURFEW_FORBIDDEN')
  t.equal((await service.call('GET', '/audit/export', withKey('reader'))).status, 200)
})

t.test('the export can be verified', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { email: 'ann@example.com' })
  await service.revoke({ email: 'ann@example.com' })
  const { status, headers, text } = await service.call('GET', '/audit/export')
  t.equal(status, 200)
  t.equal(headers.get('content-type'), 'application/x-ndjson')
  t.equal(headers.get('cache-control'), 'no-store')
  t.match(await verifyLines(linesOf(text)), { findings: 0, chains: [{ first: 1 }] })
  t.equal(linesOf(text).filter((line) => line).length, (await list(service)).length)
  const { status: head } = await sendRequest(service.url, 'HEAD', '/audit/export', withKey('any').headers)
  t.equal(head, 404, 'it would read all entries to send none')
})

/** The route with an audit trail that has no end, and the number of pages that were read of it. */
async function startEndless(t: Test) {
  let pages = 0
  const chain = { writer: 'aaaaaaaa-0000-4000-8000-000000000000', first: 1, last: Number.MAX_SAFE_INTEGER }
  const app = Fastify()
  t.teardown(() => app.close())
  const log = { info() {}, warn() {}, error() {} }
  const apiKeys = [
    {
      name: 'a',
      digest: digestOfKey(API_KEY),
      roles: ROLES,
      tenants: null,
      notBefore: null,
      expiresAt: null,
    },
  ]
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(problems)
  await app.register(limits, { perMinute: 0, clock: systemClock, refused: () => {} })
  const senders = new Senders({ apiKeys, webhookSecrets: [] }, { clock: systemClock, log })
  await app.register(authenticate, { senders })
  await app.register(strictRoutes)
  await app.register(audit, {
    audit: {
      list: async () => ({ items: [], nextCursor: null }),
      spans: async () => [chain],
      page: async (after, limit) => {
        pages += 1
        const entry = { writer: chain.writer, text: 'x'.repeat(1_000), private: null, hash: '' }
        const first = (after?.sequence ?? 0) + 1
        return Array.from({ length: limit }, (_, index) => ({ ...entry, sequence: first + index }))
      },
    },
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { url: app.listeningOrigin, pages: () => pages }
}

/** Waits until no further page is read while the event loop turns. */
async function untilIdle(pages: () => number): Promise<number> {
  for (let [before, turns] = [-1, 0]; ; turns += 1) {
    if (pages() !== before) [before, turns] = [pages(), 0]
    if (turns === 1_000) return before
    await setImmediate()
  }
}

t.test('the export reads only what the client takes, and ends with the connection', async (t) => {
  const { url, pages } = await startEndless(t)
  const request = get(`${url}/audit/export`, { headers: { authorization: `Bearer ${API_KEY}` } })
  const [response] = await once(request, 'response')
  const first = await untilIdle(pages)
  t.ok(first < 50, `${first} pages are in buffers`)
  for (let read = 0; read < 50_000_000; ) {
    const chunk: Buffer | null = response.read()
    if (chunk) read += chunk.length
    else await once(response, 'readable')
  }
  const second = await untilIdle(pages)
  t.ok(second > first && second < first + 200, `${second} pages`)
  request.destroy()
  const last = await untilIdle(pages)
  t.ok(last < second + 50, `${last} pages`)
})

t.test('erasing a user leaves a trail that is valid, without the name', async (t) => {
  const service = await startWithKeys(t, { dpo: { roles: ['admin'] }, reader: { roles: ['read'] } })
  const user = service.userWithTokens(2, { email: 'ann@example.com' })
  await service.revoke({ email: 'ann@example.com' })
  await service.revoke({ userId: user.id })
  isProblem(
    t,
    await service.call('POST', '/erasures', { body: { userId: user.id }, ...withKey('reader') }),
    'CURFEW_ROLE_REQUIRED',
  )
  const { status, json } = await service.call('POST', '/erasures', {
    body: { userId: user.id },
    ...withKey('dpo'),
  })
  t.equal(status, 200)
  t.match(json, { revocations: 2, pending: 0, action: null })
  const { text } = await service.call('GET', '/audit/export')
  t.notMatch(text, /ann@example\.com/)
  t.notMatch(text, user.id)
  t.match(await verifyLines(linesOf(text)), { findings: 0, erased: json.entries })
  const [erased] = await list(service, '?event=erased')
  t.match(erased, {
    entry: { by: { name: 'dpo' }, tenant: 'default', details: { revocations: 2 } },
    private: null,
  })
  t.same(await service.stored(), [])
})

t.test('an erasure reports the revocations that still need the name', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'hang', times: Number.POSITIVE_INFINITY })
  await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })
  const { json } = await service.call('POST', '/erasures', { body: { email: 'ann@example.com' } })
  t.match(json, { entries: 1, revocations: 0, pending: 1, action: /^Repeat the request when/ })
})

t.test('an erasure needs exactly one name, and a tenant that the key can name', async (t) => {
  const service = await startWithTenants(t)
  const erase = (body: object) => service.call('POST', '/erasures', { body })
  for (const body of [{}, { email: 'a@b.c', subject: 'x' }, { email: 'a@b.c', reason: 'logout' }])
    isProblem(t, await erase(body), 'CURFEW_REQUEST_INVALID')
  isProblem(t, await erase({ email: 'a@b.c', tenant: 'unknown' }), 'CURFEW_UNKNOWN_TENANT')
  const local = { authorization: `Bearer ${keyOf('local')}` }
  const body = { email: 'a@b.c', tenant: 'default' }
  isProblem(t, await service.call('POST', '/erasures', { body, headers: local }), 'CURFEW_UNKNOWN_TENANT')
  t.equal((await service.call('POST', '/erasures', { body: { email: 'a@b.c' }, headers: local })).status, 200)
})

t.test('the address of an entry is short, whatever a trusted proxy passes on', async (t) => {
  const service = await startService(t, { environment: { TRUST_PROXY: 'loopback' } })
  const headers = { 'x-forwarded-for': 'x'.repeat(10_000) }
  t.equal((await service.call('POST', '/logout-hook', { body: { userId: 'u1' }, headers })).status, 202)
  const accepted = (await list(service, '?event=signal-accepted'))[0]
  t.equal(accepted.entry.address, 'x'.repeat(64))
})
