import diagnostics from 'node:diagnostics_channel'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ROLES } from '../../src/base/role.ts'
import authenticate from '../../src/http/authenticate.ts'
import limits from '../../src/http/limits.ts'
import { Senders } from '../../src/http/senders.ts'
import { keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { read } from '../support/deployment.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const ONE_EACH = Object.fromEntries(ROLES.map((role) => [role, { roles: [role] }]))

/** A service with a key for each role, and its routes. */
async function startWithRoles(t: Test) {
  // The sandbox is an app of its own: it starts before the routes are noted.
  const share = await startService(t)
  const routes: RouteOptions[] = []
  const watch = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', (route: RouteOptions) => void routes.push(route))
  }
  diagnostics.subscribe('fastify.initialization', watch)
  t.teardown(() => diagnostics.unsubscribe('fastify.initialization', watch))
  const service = await startWithKeys(t, ONE_EACH, { share })
  return { service, routes }
}

const PAGE = read('docs/reference/http.md').split('\n')
const rowOf = (route: string) => PAGE.find((line) => line.startsWith(`| [\`${route}\`]`)) ?? ''
const rolesTable = (role: string) => PAGE.find((line) => line.startsWith(`| \`${role}\` |`)) ?? ''

t.test('every route of the API admits the keys with its role, and no other', async (t) => {
  const { service, routes } = await startWithRoles(t)
  const known = new Set<string>()
  for (const { method, url, config } of routes) {
    if (!config?.senders) continue
    const role = String(config.role)
    known.add(role)
    for (const one of [method].flat()) {
      const documented = `${one.replace('HEAD', 'GET')} ${url.replaceAll(/:(\w+)/g, '{$1}')}`
      const isAny = role === 'any'
      t.match(rowOf(documented), isAny ? 'API key |' : `role \`${role}\``, 'docs/reference/http.md')
      if (!isAny) t.match(rolesTable(role), `\`${documented}\``, 'docs/reference/http.md')
      for (const name of ROLES) {
        const path = url.replaceAll(/:\w+/g, 'x')
        // A stream of events would not end.
        const headers = { ...withKey(name).headers, 'last-event-id': 'malformed' }
        const { status, body } = await sendRequest(service.url, one, path, headers)
        const about = `${one} ${url} with ${name}`
        if (isAny || name === role) t.notOk([401, 403].includes(status), `${about}: ${status}`)
        else t.equal(status, 403, about)
        if (status === 403 && one !== 'HEAD')
          t.match(JSON.parse(body), {
            code: 'CURFEW_ROLE_REQUIRED',
            detail: `This request requires the role "${role}".`,
          })
      }
    }
  }
  t.same([...known].sort(), [...ROLES, 'any'].sort(), 'each role admits to something')
})

t.test('a route that requires authentication does not start without a role', async (t) => {
  const start = async (config: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const log = { info() {}, warn() {}, error() {} }
    const senders = new Senders({ apiKeys: [], webhookSecrets: [] }, { clock: systemClock, log })
    await app.register(limits, { perMinute: 0, clock: systemClock, refused: () => {} })
    await app.register(authenticate, { senders })
    app.get('/new', { config }, async () => 'done')
  }
  await t.rejects(start({ senders: ['api-key'] }), { message: /\/new needs both senders and role/ })
  await t.rejects(start({ role: 'read' }), { message: /\/new needs both senders and role/ })
  await start({ senders: ['api-key'], role: 'read' })
  await start({})
})

t.test('keys of the environment, and keys without roles, have all roles', async (t) => {
  const service = await startWithKeys(t, { all: {} })
  const paths = [
    ['POST', '/users/u1/revoke-all'],
    ['GET', '/revocations'],
    ['DELETE', '/sessions/s1'],
    ['POST', '/revocations/x/retry'],
    ['POST', '/config/reload'],
  ] as const
  for (const [method, path] of paths) {
    for (const options of [withKey('all'), {}]) {
      const { status } = await service.call(method, path, options)
      t.notOk([401, 403].includes(status), `${method} ${path}: ${status}`)
    }
  }
})

t.test('a key with several roles has these and no other', async (t) => {
  const service = await startWithKeys(t, { some: { roles: ['read', 'signal', 'read'] } })
  t.equal((await service.call('GET', '/revocations', withKey('some'))).status, 200)
  t.equal((await service.call('POST', '/users/u1/revoke-all', withKey('some'))).status, 202)
  isProblem(t, await service.call('POST', '/revocations/x/retry', withKey('some')), 'CURFEW_ROLE_REQUIRED')
})

t.test('the role is checked before the body and the query', async (t) => {
  const service = await startWithKeys(t, { reader: { roles: ['read'] } })
  for (const path of ['/logout-hook', '/logout-hook?dryRun=true', '/logout-hook?unknown=1', '/revocations'])
    isProblem(
      t,
      await service.call('POST', path, { ...withKey('reader'), body: '{' }),
      'CURFEW_ROLE_REQUIRED',
    )
  await nothingStored(t, service)
})

t.test('a forged key gets 401 on every role, also a digest of a configured key', async (t) => {
  const digest = `sha256:${digestOfKey(keyOf('hashed'))}`
  const service = await startWithKeys(t, { hashed: { key: digest, roles: ['read'] } })
  t.equal((await service.call('GET', '/revocations', withKey('hashed'))).status, 200)
  for (const forged of [digest, digest.slice(7), keyOf('hashed2'), 'hashed', 'apiKeys[0]'])
    for (const path of ['/revocations', '/revocations/x'])
      isProblem(
        t,
        await service.call('GET', path, { headers: { authorization: `Bearer ${forged}` } }),
        'CURFEW_UNAUTHENTICATED',
      )
})

t.test('a webhook secret signs signals, and needs no role', async (t) => {
  const service = await startWithKeys(t, { reader: { roles: ['read'] } })
  const body = '{"userId":"u1"}'
  // With a signature, the API key is ignored.
  const headers = { ...withKey('reader').headers, ...signed(body) }
  t.equal((await service.call('POST', '/logout-hook', { body, headers })).status, 202)
})

t.test('a restricted key with the role admin cannot reload', async (t) => {
  const service = await startWithKeys(t, { admin: { roles: ['admin'], tenants: ['default'] } })
  isProblem(t, await service.call('POST', '/config/reload', withKey('admin')), 'CURFEW_FORBIDDEN')
})

t.test(
  'idempotency keys of two API keys are separate, and those of a key survive its digest form',
  async (t) => {
    const { file, ...service } = await startWithKeys(t, { one: {}, two: {} })
    const post = async (name: string) => {
      const headers = { ...withKey(name).headers, 'idempotency-key': '"k"' }
      return (await service.call('POST', '/revocations', { body: { users: [{ userId: 'u1' }] }, headers }))
        .json
    }
    const replayed = async () => (await service.counts())['bulk replayed'] ?? 0
    await post('one')
    await post('two')
    t.equal(await replayed(), 0)
    file.write({ apiKeys: [{ name: 'one', key: `sha256:${digestOfKey(keyOf('one'))}` }] })
    t.equal((await service.call('POST', '/config/reload')).status, 200)
    await post('one')
    t.equal(await replayed(), 1)
  },
)
