import Fastify from 'fastify'
import t from 'tap'
import bulk from '../../src/routes/bulk.ts'
import logoutHook from '../../src/routes/logout-hook.ts'
import reload from '../../src/routes/reload.ts'
import revocations from '../../src/routes/revocations.ts'
import revokeAll from '../../src/routes/revoke-all.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { OTHER_API_KEY, startService } from '../support/service.ts'

const ID = '018f0000-0000-7000-8000-000000000000'
const PROTECTED = [
  ['POST', '/logout-hook'],
  ['POST', '/logout-hook?dryRun=true'],
  ['POST', '/users/u1/revoke-all'],
  ['POST', '/users/u1/revoke-all?dryRun=true'],
  ['POST', '/revocations'],
  ['POST', '/revocations?dryRun=true'],
  ['GET', '/revocations'],
  ['GET', `/revocations/${ID}`],
  ['POST', `/revocations/${ID}/retry`],
  ['POST', '/config/reload'],
] as const

t.test('without authentication every protected route returns 401', async (t) => {
  const service = await startService(t)
  for (const [method, path] of PROTECTED) {
    for (const authorization of ['', 'Bearer wrong-key-0123456789abcdef', 'Basic dGVzdDp0ZXN0']) {
      const body = method === 'POST' ? { body: { userId: 'u1', users: [{ userId: 'u1' }] } } : {}
      const reply = await service.call(method, path, { headers: { authorization }, ...body })
      isProblem(t, reply, 'CURFEW_UNAUTHENTICATED')
      t.equal(reply.headers.get('www-authenticate'), 'Bearer')
    }
  }
  await nothingStored(t, service)
})

t.test('each of several API keys is accepted', async (t) => {
  const { call } = await startService(t)
  const { status } = await call('GET', '/revocations', {
    headers: { authorization: `Bearer ${OTHER_API_KEY}` },
  })
  t.equal(status, 200)
})

t.test('without authentication the body is not read', async (t) => {
  const service = await startService(t)
  const bodies: [string, string | Uint8Array, string?][] = [
    ['broken JSON', '{'],
    ['another media type', '<userId/>', 'text/xml'],
    ['a media type that is none', '{}', '///'],
    ['too large', 'x'.repeat(2 * 1024 * 1024)],
    ['prototype poisoning', '{"__proto__":{"userId":"u1"}}'],
    ['invalid UTF-8', new Uint8Array([0xff, 0xfe])],
    ['none', ''],
  ]
  for (const [name, body, type = 'application/json'] of bodies) {
    for (const path of ['/logout-hook', '/users/u1/revoke-all?limit=x', '/revocations']) {
      const headers = { authorization: '', 'content-type': type, 'idempotency-key': '"' }
      t.comment(name)
      isProblem(t, await service.call('POST', path, { headers, body }), 'CURFEW_UNAUTHENTICATED')
    }
  }
  await nothingStored(t, service)
})

t.test('the response does not wait for an announced body that never arrives', async (t) => {
  const { url } = await startService(t)
  const head = { 'content-type': 'application/json', 'content-length': '1000000' }
  const { status, body } = await sendRequest(url, 'POST', '/logout-hook', head)
  t.equal(status, 401)
  t.match(JSON.parse(body), { code: 'CURFEW_UNAUTHENTICATED' })
})

t.test('public routes need no authentication', async (t) => {
  const { call } = await startService(t)
  for (const path of ['/health/live', '/health/ready', '/metrics', '/openapi.json', '/docs']) {
    const { status } = await call('GET', path, { headers: { authorization: '' } })
    t.equal(status, 200, path)
  }
})

t.test('routes that require authentication do not start without the plugin', async (t) => {
  const refused = { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' }
  // The options do not matter: the routes are rejected before they use them.
  await t.rejects(async () => Fastify().register(logoutHook, {} as never), refused)
  await t.rejects(async () => Fastify().register(revokeAll, {} as never), refused)
  await t.rejects(async () => Fastify().register(bulk, {} as never), refused)
  await t.rejects(async () => Fastify().register(reload, {} as never), refused)
  await t.rejects(async () => Fastify().register(revocations, {} as never), refused)
})
