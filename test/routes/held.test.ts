import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { PROVEN } from '../../src/http/authenticate.ts'
import problems from '../../src/http/problems.ts'
import { validatorCompiler } from '../../src/http/validate.ts'
import held from '../../src/routes/held.ts'
import { fakeClock } from '../support/clock.ts'
import { configurationFile, sandboxTenant } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, OTHER_API_KEY, type Service, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const KEYS = {
  portal: 'portal-api-key-0123456789abcdef',
  exempt: 'exempt-api-key-0123456789abcdef',
  acme: 'acme-api-key-0123456789abcdefgh',
}
const as = (key: string) => ({ authorization: `Bearer ${key}` })

/** A service in which the API key `portal` may name two users. */
async function start(t: Test, environment: Record<string, string> = {}) {
  const acme = await sandboxTenant(t, 'acme')
  const apiKeys = [
    { name: 'portal', key: KEYS.portal },
    { name: 'exempt', key: KEYS.exempt, massRevocation: true },
    { name: 'of acme', key: KEYS.acme, tenants: ['acme'] },
  ]
  const { path } = configurationFile(t, { apiKeys, tenants: [acme.entry] })
  const service = await startService(t, {
    environment: { CONFIG_FILE: path, MASS_REVOCATION_USERS: '2', ...environment },
  })
  const signal = (userId: string, { key = KEYS.portal, headers = {}, ...body }: SignalOptions = {}) =>
    service.call('POST', '/logout-hook', { body: { userId, ...body }, headers: { ...as(key), ...headers } })
  const users = ['u1', 'u2', 'u3', 'u4', 'u5'].map((id) => service.userWithTokens(1, { id }).id)
  for (const id of ['u1', 'u2']) await service.ended((await signal(id)).json.id)
  return { ...service, signal, users, service }
}

interface SignalOptions {
  key?: string
  headers?: Record<string, string>
  [member: string]: unknown
}

const decide = ({ call }: Service, what: 'release' | 'cancel', body: object, key = API_KEY) =>
  call('POST', `/revocations/${what}`, { body, headers: as(key) })
const tokensOf = ({ sandbox }: Service, id: string) => sandbox.tenant.tokensOf(id).length
const heldCheck = async ({ call }: Service) => {
  const { status, json } = await call('GET', '/health/ready')
  return [status, json.checks.find(({ name }: { name: string }) => name === 'held')]
}

t.test('beyond the limit, a signal gets its usual answer and is held, visibly', async (t) => {
  const { call, signal, service, logLines } = await start(t)
  t.same(await heldCheck(service), [200, undefined])
  const held = await signal('u3')
  t.equal(held.status, 202)
  t.equal(held.headers.get('location'), `/revocations/${held.json.id}`)
  t.match(held.json, {
    status: 'held',
    verified: false,
    hold: { sender: { kind: 'api-key', name: 'portal' }, at: held.json.acceptedAt, decision: null },
    ...{ estimatedCompletionAt: null, waitingFor: null, nextAttemptAt: null, completedAt: null },
  })
  // Without a wait: only an operator can end it.
  const prefer = 'wait=30'
  const waited = await signal('u4', { headers: { prefer } })
  t.match([waited.status, waited.json.status], [202, 'held'])
  t.equal(waited.headers.get('preference-applied'), null)
  t.match((await call('GET', `/revocations/${held.json.id}`)).json, { id: held.json.id, status: 'held' })
  const { items } = (await call('GET', '/revocations?status=held')).json
  t.same(
    items.map(({ user }: { user: { userId: string } }) => user.userId),
    ['u4', 'u3'],
  )
  t.same(await heldCheck(service), [
    200,
    {
      name: 'held',
      status: 'warning',
      detail: '2 revocations are held: a sender named too many users. Release or cancel them.',
    },
  ])
  const { text } = await call('GET', '/metrics')
  t.match(text, /^curfew_held_total\{source="logout-hook"\} 2$/m)
  t.match(text, /^curfew_backlog\{tenant="default",status="held"\} 2$/m)
  const lines = logLines.map((line) => JSON.parse(line)).filter(({ msg }) => /too many users/.test(msg))
  t.match(lines, [{ level: 40, sender: 'portal', kind: 'api-key', held: 1, limit: 2, windowMs: 600_000 }])
  t.equal(lines.length, 1, 'one line per minute')
  t.same(
    ['u3', 'u4'].map((id) => tokensOf(service, id)),
    [1, 1],
  )
  isProblem(t, await call('POST', `/revocations/${held.json.id}/retry`), 'CURFEW_REVOCATION_HELD')
})

t.test('another sender logs a held user out at once', async (t) => {
  const { signal, service, ended, call } = await start(t)
  const held = await signal('u3')
  t.match(await ended((await signal('u3', { key: API_KEY })).json.id), { status: 'completed', hold: null })
  t.equal(tokensOf(service, 'u3'), 0)
  t.match((await call('GET', `/revocations/${held.json.id}`)).json, { status: 'held' })
})

t.test('an entry of the configuration exempts a sender; a reason does not', async (t) => {
  const { signal } = await start(t)
  for (const id of ['u1', 'u2', 'u3', 'u4'])
    t.equal((await signal(id, { key: KEYS.exempt })).json.status, 'queued')
  t.equal((await signal('u5', { reason: 'security', scope: 'all' })).json.status, 'held')
})

t.test('a bulk request runs up to the limit and holds the rest', async (t) => {
  const { call } = await start(t)
  const users = ['u3', 'u4', 'u5'].map((userId) => ({ userId }))
  const { status, json } = await call('POST', '/revocations', { body: { users }, headers: as(OTHER_API_KEY) })
  t.equal(status, 202)
  t.same(
    json.items.map(({ revocation }: { revocation: { status: string } }) => revocation.status),
    ['queued', 'queued', 'held'],
  )
})

t.test('webhook secrets are braked like API keys', async (t) => {
  const { call, service } = await start(t)
  const send = async (userId: string) => {
    const body = JSON.stringify({ userId })
    return (await call('POST', '/logout-hook', { body, headers: signed(body) })).json
  }
  await send('u3')
  await send('u4')
  const { status, hold } = await send('u5')
  t.match(
    [status, hold.sender],
    ['held', { kind: 'webhook', name: 'WEBHOOK_SECRETS[0]', id: /^[0-9a-f]{16}$/ }],
  )
  t.match((await decide(service, 'cancel', { sender: hold.sender })).json, { cancelled: 1 })
})

t.test('a release queues what is held, and its revocation names who decided', async (t) => {
  const { signal, service, settled } = await start(t)
  const ids = [(await signal('u3')).json.id, (await signal('u4')).json.id]
  const { status, json } = await decide(service, 'release', { sender: { kind: 'api-key', name: 'portal' } })
  t.same([status, json], [200, { released: 2, joined: 0, more: false }])
  for (const id of ids) {
    const decision = { what: 'released', by: 'API_KEYS[0]', at: String }
    t.match(await settled(id), { status: 'completed', verified: true, hold: { decision } })
  }
  t.same(
    ['u3', 'u4'].map((id) => tokensOf(service, id)),
    [0, 0],
  )
  t.same(await heldCheck(service), [200, undefined])
})

t.test('a cancelled revocation has ended, for callers that wait, too', async (t) => {
  const { signal, service, call } = await start(t)
  const { id } = (await signal('u3')).json
  const waiting = call('GET', `/revocations/${id}`, { headers: { prefer: 'wait=30' } })
  const { status, json } = await decide(service, 'cancel', { ids: [id] })
  t.same([status, json], [200, { cancelled: 1, more: false }])
  const decision = { what: 'cancelled', by: 'API_KEYS[0]' }
  t.match((await waiting).json, { status: 'cancelled', verified: false, outcome: null, hold: { decision } })
  t.equal(tokensOf(service, 'u3'), 1)
  t.match((await call('GET', '/revocations?status=cancelled')).json, { items: [{ id }] })
  isProblem(t, await call('POST', `/revocations/${id}/retry`), 'CURFEW_NOT_RETRYABLE')
  t.same((await decide(service, 'release', { ids: [id] })).json, { released: 0, joined: 0, more: false })
})

t.test('an API key of some tenants decides only about theirs', async (t) => {
  const { signal, service } = await start(t)
  await signal('u3')
  const own = (await signal('u3', { tenant: 'acme' })).json
  t.same((await decide(service, 'cancel', { all: true }, KEYS.acme)).json, { cancelled: 1, more: false })
  t.match((await service.call('GET', `/revocations/${own.id}`)).json, { status: 'cancelled' })
  t.same((await decide(service, 'release', { all: true })).json, { released: 1, joined: 0, more: false })
})

t.test('a selection names exactly one of ids, sender and all', async (t) => {
  const { service } = await start(t)
  const wrong = [
    {},
    { all: false },
    { all: true, ids: ['01a1fdfa-4600-7607-8d7e-070b8259d260'] },
    { ids: [] },
    { ids: ['x'] },
    { sender: { name: 'portal' } },
    { sender: { kind: 'user', name: 'portal' } },
    { sender: { kind: 'api-key', name: 'API_KEYS[0]' } },
    { all: true, tenant: 'acme' },
  ]
  for (const body of wrong)
    for (const what of ['release', 'cancel'] as const)
      isProblem(t, await decide(service, what, body), 'CURFEW_REQUEST_INVALID')
})

t.test('with a limit of 0 nothing is held', async (t) => {
  const { signal, users } = await start(t, { MASS_REVOCATION_USERS: '0' })
  for (const id of users) t.equal((await signal(id)).json.status, 'queued')
})

t.test('what was released before the store failed runs at once', async (t) => {
  const app = Fastify()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => JSON.stringify)
  let woken = 0
  let calls = 0
  const some = Array.from({ length: 500 }, () => ({
    tenant: 'default',
    user: { kind: 'userId', value: 'u1' },
  }))
  const store = {
    async release() {
      calls += 1
      if (calls > 1) throw new CurfewError('CURFEW_STORE_UNAVAILABLE')
      return { revocations: some, joined: 0, more: true }
    },
    cancel: async () => ({ revocations: [], joined: 0, more: false }),
  } as never
  await app.register(problems)
  app.decorateRequest('sender', null)
  app.addHook('onRequest', async (request) => {
    request.sender = { kind: 'api-key', name: 'a', fingerprint: 'a', roles: ['operate'], tenants: null }
  })
  for (const name of PROVEN.dependencies.filter((name) => name !== 'problems'))
    await app.register(fp(async () => {}, { name }))
  await app.register(held, {
    store,
    waiters: { notify: () => {} },
    wake: () => {
      woken += 1
    },
    onWithdrawn: () => {},
    tenants: { names: () => ['default'], has: () => true },
    clock: fakeClock(),
  })
  const { statusCode } = await app.inject({
    method: 'POST',
    url: '/revocations/release',
    payload: { all: true },
  })
  t.equal(statusCode, 503)
  t.equal(woken, 1)
})
