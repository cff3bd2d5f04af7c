import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'
import { openConnection, sendBytes } from '../support/raw-http.ts'
import { API_KEY, request, type Service, type ServiceOptions, startService } from '../support/service.ts'

const ID = '018f0000-0000-7000-8000-000000000000'
/** Only on the operators' listener. */
const HIDDEN = [
  ['GET', '/metrics'],
  ['GET', '/docs'],
  ['GET', '/docs/'],
  ['GET', '/docs/json'],
  ['GET', '/docs/static/swagger-ui.css'],
  ['GET', '/openapi.json'],
  ['POST', '/config/reload'],
  ['POST', '/backups'],
  ['GET', '/audit'],
  ['GET', `/revocations/${ID}/timeline`],
  ['GET', '/audit/export'],
  ['POST', `/revocations/${ID}/retry`],
  ['POST', '/revocations'],
] as const
/** On both listeners. */
const SHARED = [
  ['POST', '/logout-hook', { userId: 'u1' }, 202],
  ['POST', '/users/u1/revoke-all', undefined, 202],
  ['GET', '/revocations', undefined, 200],
  ['PUT', '/sessions/s1', { userId: 'u1' }, 400],
  ['GET', '/health/live', undefined, 200],
] as const

/** A service with two listeners. */
async function startBoth(t: Test, options: ServiceOptions = {}): Promise<Service & { operatorsUrl: string }> {
  const service = await startService(t, {
    ...options,
    environment: { OPS_PORT: '0', ...options.environment },
  })
  const { operatorsUrl } = service
  if (operatorsUrl === null) throw new Error('expected a listener for operators')
  return { ...service, operatorsUrl }
}

t.test("on the public listener, operators' routes do not exist, with and without a key", async (t) => {
  const { url } = await startBoth(t)
  for (const [method, path] of HIDDEN) {
    for (const authorization of [`Bearer ${API_KEY}`, '', 'Bearer wrong']) {
      const headers = { authorization }
      const body = path === '/revocations' ? { users: [{ userId: 'u1' }] } : undefined
      const hidden = await request(url, method, path, { headers, body })
      const unknown = await request(url, method, '/nothing', { headers, body })
      t.equal(hidden.status, 404, `${method} ${path}`)
      const comparable = ({ headers, text }: typeof hidden) => [
        [...headers].filter(([name]) => name !== 'date' && name !== 'content-length'),
        text.replace(/req-\w+/, ''),
      ]
      t.same(comparable(hidden), comparable(unknown), `${method} ${path} reveals nothing`)
    }
  }
  t.equal((await fetch(`${url}/metrics`, { method: 'HEAD' })).status, 404)
})

t.test("the operators' listener serves operators' routes", async (t) => {
  const { operatorsUrl } = await startBoth(t)
  for (const [method, path] of HIDDEN) {
    const { status } = await request(operatorsUrl, method, path)
    if (path.startsWith('/revocations/')) t.equal(status, 404, 'unknown revocation')
    else t.ok(status < 300 || (path === '/revocations' && status === 400), `${method} ${path} ${status}`)
  }
  const { json } = await request(operatorsUrl, 'POST', `/revocations/${ID}/retry`)
  t.equal(json.code, 'CURFEW_UNKNOWN_REVOCATION')
  isProblem(
    t,
    await request(operatorsUrl, 'POST', '/config/reload', { headers: { authorization: '' } }),
    'CURFEW_UNAUTHENTICATED',
  )
})

t.test('both listeners serve all other routes', async (t) => {
  const { url, operatorsUrl } = await startBoth(t)
  for (const [method, path, body, expected] of SHARED) {
    for (const origin of [url, operatorsUrl])
      t.equal((await request(origin, method, path, { body })).status, expected, `${method} ${path}`)
  }
})

t.test('the public listener reports whether it is ready, and no details', async (t) => {
  const { app, url, operatorsUrl } = await startBoth(t)
  t.same((await request(url, 'GET', '/health/ready')).json, { status: 'ready' }, 'with a key, too')
  t.match((await request(operatorsUrl, 'GET', '/health/ready')).json, {
    status: 'ready',
    checks: [{ name: 'lifecycle' }, { name: 'store' }, { name: 'tenant:default' }],
    apiKeys: [{ name: 'API_KEYS[0]' }, {}],
  })
  app.lifecycle.beginStopping()
  const stopping = await request(url, 'GET', '/health/ready')
  t.equal(stopping.status, 503)
  t.same(stopping.json, { status: 'not-ready' })
  t.equal((await request(operatorsUrl, 'GET', '/health/ready')).status, 503)
})

t.test('with one listener, it serves everything', async (t) => {
  const { call, operatorsUrl } = await startService(t)
  t.equal(operatorsUrl, null)
  for (const path of ['/metrics', '/docs', '/openapi.json']) t.equal((await call('GET', path)).status, 200)
  t.equal((await call('POST', '/config/reload')).status, 200)
  t.match((await call('GET', '/health/ready')).json, { checks: [{ name: 'lifecycle' }, {}, {}] })
})

t.test('connections that use up one listener leave those of the other', async (t) => {
  const { app, url, operatorsUrl } = await startBoth(t, { environment: { MAX_CONNECTIONS: '10' } })
  // Requests in flight do not give way.
  const head = `POST /logout-hook HTTP/1.1\r\nhost: curfew\r\nauthorization: Bearer ${API_KEY}\r\n`
  for (let index = 0; index < 10; index += 1) {
    const arrived = once(app.server, 'request')
    const socket = await openConnection(t, url)
    socket.write(`${head}content-type: application/json\r\ncontent-length: 9\r\n\r\n`)
    await arrived
  }
  const refused = await openConnection(t, url)
  refused.resume()
  await once(refused, 'close')
  t.match((await request(operatorsUrl, 'GET', '/metrics')).text, /reason="connections"\} [1-9]/)
})

t.test("the operators' listener limits its own connections", async (t) => {
  const { url, operatorsUrl } = await startBoth(t)
  for (let index = 0; index < 100; index += 1)
    (await openConnection(t, operatorsUrl)).write('GET / HTTP/1.1\r\n')
  const refused = await openConnection(t, operatorsUrl)
  refused.resume()
  await once(refused, 'close')
  t.equal((await request(url, 'GET', '/health/live')).status, 200)
})

t.test('during overload, operators still get what is theirs', async (t) => {
  const clock = fakeClock()
  const { url, operatorsUrl } = await startBoth(t, { clock, memory: () => [{ used: 86, limit: 100 }] })
  const statusOf = async (origin: string, method: string, path: string) =>
    (await request(origin, method, path, { body: method === 'POST' ? {} : undefined })).status
  t.equal(await statusOf(url, 'POST', '/logout-hook'), 503)
  t.equal(await statusOf(operatorsUrl, 'POST', '/logout-hook'), 503)
  for (const path of ['/metrics', '/docs', '/openapi.json', '/health/ready'])
    t.equal(await statusOf(operatorsUrl, 'GET', path), 200, path)
  t.equal(await statusOf(operatorsUrl, 'POST', '/config/reload'), 200)
})

t.test(
  "during overload, operators' routes still look like unknown paths on the public listener",
  async (t) => {
    for (const overload of [{ memory: () => [{ used: 86, limit: 100 }] }, { loopDelay: () => 5_000 }]) {
      const { url } = await startBoth(t, { clock: fakeClock(), ...overload })
      for (const [method, path] of [...HIDDEN, ['GET', '/nothing'], ['POST', '/nothing']] as const) {
        const { status, json } = await request(url, method, path, {
          body: method === 'POST' ? {} : undefined,
        })
        t.same([status, json.code], [404, 'CURFEW_NOT_FOUND'], `${method} ${path}`)
      }
      t.equal((await request(url, 'GET', '/revocations')).status, 503)
    }
  },
)

t.test("requests that are not HTTP get the same response from the operators' listener", async (t) => {
  const { operatorsUrl } = await startBoth(t)
  t.match(await sendBytes(operatorsUrl, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*CURFEW_REQUEST_INVALID/)
})

t.test('closing answers requests in flight on both listeners, then closes both', async (t) => {
  const { app, url, operatorsUrl } = await startBoth(t)
  const head =
    `POST /logout-hook HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${API_KEY}\r\n` +
    'content-type: application/json\r\ncontent-length: 15\r\n\r\n{"userId"'
  const sockets = [await openConnection(t, url), await openConnection(t, operatorsUrl)]
  for (const socket of sockets) {
    // The response to this one shows that the connection is accepted.
    socket.write('GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(socket, 'data')
    socket.write(head)
  }
  await request(url, 'GET', '/health/live')
  const answers = sockets.map((socket) => text(socket))
  const closed = app.close()
  for (const socket of sockets) socket.write(':"u1"}')
  for (const answer of await Promise.all(answers)) t.match(answer, /^HTTP\/1\.1 202 Accepted\r\n/)
  await closed
  for (const origin of [url, operatorsUrl]) await t.rejects(fetch(origin))
})
