import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { VENDORS } from '../../src/sandbox/identity-provider/vendors.ts'
import { everyKind, type Player, tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendBytes, sendRequest } from '../support/raw-http.ts'
import { API_KEY, type Reply, type Service, startService } from '../support/service.ts'
import { ADA } from '../support/shared-signals.ts'
import { startWithSources } from '../support/source-service.ts'
import { signed } from '../support/webhook.ts'

const PROVEN = { authorization: `Bearer ${API_KEY}` }
const ID = '018f0000-0000-7000-8000-000000000000'

/** Curfew's own API: for each route a valid request, with a body if it accepts one. */
const OWN: Record<string, { path: string; body?: object }> = {
  'POST /logout-hook': { path: '/logout-hook', body: { userId: 'u1' } },
  'POST /users/:id/revoke-all': { path: '/users/u1/revoke-all', body: {} },
  'POST /revocations': { path: '/revocations', body: { users: [{ userId: 'u1' }] } },
  'GET /revocations': { path: '/revocations' },
  'GET /revocations/failures': { path: '/revocations/failures' },
  'GET /key': { path: '/key' },
  'GET /batches/:id': { path: '/batches/b1' },
  'GET /status': { path: '/status' },
  'GET /statistics': { path: '/statistics' },
  'GET /senders': { path: '/senders' },
  'GET /suggestions': { path: '/suggestions' },
  'GET /revocations/:id': { path: `/revocations/${ID}` },
  'GET /revocations/:id/timeline': { path: `/revocations/${ID}/timeline` },
  'DELETE /revocations/:id': { path: `/revocations/${ID}` },
  'POST /revocations/:id/retry': { path: `/revocations/${ID}/retry` },
  'POST /revocations/retry': { path: '/revocations/retry', body: { matching: { status: 'failed' } } },
  'POST /revocations/release': { path: '/revocations/release', body: { all: true } },
  'POST /revocations/cancel': { path: '/revocations/cancel', body: { all: true } },
  'PUT /sessions/:sid': { path: '/sessions/s1', body: { userId: 'u1' } },
  'DELETE /sessions/:sid': { path: '/sessions/s1' },
  'PUT /sessions': { path: '/sessions', body: { sid: 's1', userId: 'u1' } },
  'DELETE /sessions': { path: '/sessions', body: { sid: 's1' } },
  'GET /events': { path: '/events' },
  'GET /audit': { path: '/audit' },
  'GET /audit/check': { path: '/audit/check' },
  'GET /audit/export': { path: '/audit/export' },
  'POST /erasures': { path: '/erasures', body: { userId: 'u1' } },
  'GET /erasures/:id': { path: `/erasures/${ID}` },
  'POST /config/reload': { path: '/config/reload' },
  'POST /backups': { path: '/backups' },
  'GET /notifications': { path: '/notifications' },
  'POST /notifications/:id/redeliver': { path: `/notifications/${ID}/redeliver` },
  'POST /notifications/redeliver': { path: '/notifications/redeliver', body: { receiver: 'siem' } },
  'GET /receivers': { path: '/receivers' },
  'POST /receivers/:name/test': { path: '/receivers/siem/test' },
}

/** Routes for probes, Prometheus and people, with a path of each. */
const OPEN: Record<string, string> = {
  'GET /health/live': '/health/live',
  'GET /health/ready': '/health/ready',
  'GET /metrics': '/metrics',
  'GET /openapi.json': '/openapi.json',
  'GET /docs': '/docs',
  // `/docs/*`, as Fastify prints it.
  'GET /docs*': '/docs/static/swagger-ui.css',
}

/** Routes whose protocols are specified by others. */
const OF_SOURCES = [
  'POST /sources/:name/backchannel-logout',
  'POST /sources/:name/global-token-revocation',
  'POST /sources/:name/events',
  'POST /sources/:name/webhook',
  'GET /sources/:name/webhook',
]

/** Pages for people, which ignore what they do not know. Their forms carry a token: test/dashboard/sign-in.test.ts. */
const OF_DASHBOARD = [
  'GET /dashboard',
  'GET /dashboard/audit',
  'GET /dashboard/batches/:id',
  'GET /dashboard/events',
  'GET /dashboard/failed',
  'GET /dashboard/forms.js',
  'GET /dashboard/live.js',
  'GET /dashboard/receivers',
  'GET /dashboard/revocations',
  'GET /dashboard/revocations/:id',
  'GET /dashboard/revoke',
  'GET /dashboard/senders',
  'GET /dashboard/sign-in',
  'GET /dashboard/style.css',
  'POST /dashboard/receivers/confirm',
  'POST /dashboard/receivers/redeliver',
  'POST /dashboard/receivers/test',
  'POST /dashboard/revocations/change',
  'POST /dashboard/revocations/confirm',
  'POST /dashboard/revoke/preview',
  'POST /dashboard/revoke/send',
  'POST /dashboard/sign-in',
  'POST /dashboard/sign-out',
]

/** Every route of the service as `METHOD /path`, from the tree that Fastify prints. */
function routesOf(app: FastifyInstance): string[] {
  const path: string[] = []
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = /^(.*)[├└]── (\S+)(?: \((.+)\))?$/.exec(line) ?? []
      if (part === '') return []
      path.splice(indent.length / 4, Number.POSITIVE_INFINITY, part)
      // Fastify adds HEAD for every GET route.
      const own = methods.split(', ').filter((method) => method !== '' && method !== 'HEAD')
      return own.map((method) => `${method} ${path.join('')}`)
    })
}

t.test('every route is listed here as strict or lenient', async (t) => {
  const { app } = await startService(t)
  const known = [...Object.keys(OWN), ...Object.keys(OPEN), ...OF_SOURCES, ...OF_DASHBOARD]
  t.same(routesOf(app).sort(), known.sort())
})

const call = (
  service: Service,
  name: string,
  { query = '', body = OWN[name]?.body as unknown, headers = {} },
) =>
  service.call(name.split(' ')[0] ?? '', `${OWN[name]?.path}${query}`, {
    headers,
    ...(body === undefined ? {} : { body }),
  })

t.test('the API rejects unknown and repeated parameters by name, after authentication', async (t) => {
  const service = await startService(t)
  const { json: document } = await service.call('GET', '/openapi.json')
  for (const name of Object.keys(OWN)) {
    const [method = '', path = ''] = name.split(' ')
    const unproven = await call(service, name, { query: '?unknown=1', headers: { authorization: '' } })
    isProblem(t, unproven, 'CURFEW_UNAUTHENTICATED')
    for (const query of ['unknown=1', 'unknown', 'unknown=', 'unknown=1&unknown=2', 'wait=30&unknown=1'])
      isProblem(t, await call(service, name, { query: `?${query}` }), 'CURFEW_REQUEST_INVALID', 'unknown')
    for (const unknown of ['__proto__', 'dryrun', 'dryRun[]', 'dryRun '])
      isProblem(
        t,
        await call(service, name, { query: `?${encodeURIComponent(unknown)}=true` }),
        'CURFEW_REQUEST_INVALID',
        unknown,
      )
    const operation = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')][method.toLowerCase()]
    for (const { in: place, name: declared } of operation.parameters ?? []) {
      if (place !== 'query') continue
      const query = `?${declared}=true&${declared}=true`
      isProblem(t, await call(service, name, { query }), 'CURFEW_REQUEST_INVALID', declared)
    }
  }
  for (const path of ['/revocations', `/revocations/${ID}`])
    t.equal((await sendRequest(service.url, 'HEAD', `${path}?unknown=1`, PROVEN)).status, 400, `HEAD ${path}`)
  await nothingStored(t, service)
})

t.test('an unknown parameter is rejected on signed requests, too', async (t) => {
  const service = await startService(t)
  const body = '{"userId":"u1"}'
  const reply = await service.call('POST', '/logout-hook?unknown=1', { body, headers: signed(body) })
  isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'unknown')
  const forged = { ...signed(body), 'webhook-signature': 'v1,AAAA' }
  const unproven = await service.call('POST', '/logout-hook?unknown=1', { body, headers: forged })
  isProblem(t, unproven, 'CURFEW_SIGNATURE_INVALID')
  await nothingStored(t, service)
})

t.test('the API rejects unknown body members, and any body on routes without one', async (t) => {
  const service = await startService(t)
  for (const [name, { path, body }] of Object.entries(OWN)) {
    const [method = ''] = name.split(' ')
    if (body) {
      const reply = await call(service, name, { body: { ...body, unknown: 1 } })
      isProblem(t, reply, 'CURFEW_REQUEST_INVALID', '/unknown')
    } else if (method === 'GET') {
      for (const framed of [
        `content-length: 2\r\n\r\n{}`,
        `transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      ]) {
        const head = `GET ${path} HTTP/1.1\r\nhost: curfew\r\nconnection: close\r\n`
        const send = (proof: string) => sendBytes(service.url, `${head}${proof}${framed}`)
        const refused = await send(`authorization: Bearer ${API_KEY}\r\n`)
        t.match(refused, /^HTTP\/1.1 400 /, `${name}, ${framed}`)
        t.match(refused, '"errors":[{"member":"/","expected":"expected no body"}]')
        t.match(await send(''), /^HTTP\/1.1 401 /)
      }
    } else {
      for (const [sent, member] of [
        [{ reason: 'logout' }, '/reason'],
        ['null', '/'],
        ['[]', '/'],
        ['7', '/'],
      ] as const)
        isProblem(t, await call(service, name, { body: sent }), 'CURFEW_REQUEST_INVALID', member)
      const unproven = await call(service, name, {
        body: { reason: 'logout' },
        headers: { authorization: '' },
      })
      isProblem(t, unproven, 'CURFEW_UNAUTHENTICATED')
      const expected = (await call(service, name, {})).status
      for (const nothing of ['', {}])
        t.equal((await call(service, name, { body: nothing })).status, expected, `${name} ${nothing}`)
    }
  }
  await nothingStored(t, service)
})

t.test('probes, metrics and documentation ignore unknown parameters', async (t) => {
  const service = await startService(t)
  for (const [name, path] of Object.entries(OPEN)) {
    const get = (query: string) => service.call('GET', `${path}${query}`, { headers: { authorization: '' } })
    const { status } = await get('')
    t.ok(status < 400, `${name}: ${status}`)
    t.equal((await get('?unknown=1&unknown=2')).status, status, name)
  }
})

/** Adds an unknown member wherever the protocol allows one. */
const withMore = (content: unknown): unknown => {
  if (Array.isArray(content)) return content.map(withMore)
  return typeof content === 'object' && content !== null ? { ...content, unknown: { more: [1] } } : content
}

t.test('sources ignore parameters, form fields, members and claims that they do not know', async (t) => {
  const issuer = await startIssuer(t)
  const players = everyKind(issuer)
  const service = await startWithSources(
    t,
    players.map(({ entry }) => entry),
  )
  service.sandbox.tenant.addUser({ email: ADA.email })
  const isTaken = async (player: Player, sent: { body: string; headers: Record<string, string> }) => {
    const headers = { authorization: '', ...sent.headers }
    const path = `${player.path}?unknown=1&dryRun=true`
    const reply: Reply = await service.call('POST', path, { ...sent, headers })
    t.equal(reply.status, player.answer, `${player.kind}: ${reply.text}`)
  }
  for (const player of players) await isTaken(player, await player.sign())
  const counts = await service.counts()
  for (const { kind } of players) t.ok(counts[`${kind} accepted`], `${kind}: a signal, not a dry run`)

  for (const player of tokenPlayers(issuer)) {
    const token = await issuer.sign({ ...player.claims(), unknown: { more: [1] } }, { typ: player.typ })
    const { body, headers } = player.send(token)
    const more: Partial<Record<Player['kind'], string>> = {
      'oidc-back-channel-logout': `${body}&unknown=1`,
      'global-token-revocation': body.replace(/^\{/, '{"unknown":{"more":[1]},'),
    }
    await isTaken(player, { headers, body: more[player.kind] ?? body })
  }
  for (const { kind, secret, sample, sign } of VENDORS) {
    const player = players.find((one) => one.kind === kind)
    if (!player) throw new Error('no such kind')
    const body = JSON.stringify(withMore(sample(`more-${kind}`)))
    const proof = await sign(body, { secret, at: Date.now() })
    await isTaken(player, { body, headers: { 'content-type': 'application/json', ...proof } })
  }
  await challengeIsAnswered(t, service)
})

async function challengeIsAnswered(t: Test, service: Service): Promise<void> {
  const vendor = VENDORS.find(({ kind }) => kind === 'okta-event-hook')
  const headers = { authorization: vendor?.secret ?? '', 'x-okta-verification-challenge': 'abc' }
  const { status, json } = await service.call('GET', '/sources/okta-event-hook/webhook?unknown=1', {
    headers,
  })
  t.equal(status, 200)
  t.same(json, { verification: 'abc' })
}
