import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { sendBytes, sendRequest } from '../support/raw-http.ts'
import { startService } from '../support/service.ts'

const STATIC = '/docs/static'

t.test('no request without credentials causes a server error', async (t) => {
  const service = await startService(t)
  const paths = [
    ...[
      '%2e%2e/',
      '%2e%2e/package.json',
      '..',
      '.',
      './index.css',
      '/',
      '//',
      'x%5cy',
      'a%2fb',
      '%3f',
      '%23',
    ],
    ...['%00', 'index.css%00.png', 'a'.repeat(300), 'a/'.repeat(3_000), 'index.css/x', 'INDEX.CSS', '%'],
  ].map((name) => `${STATIC}/${name}`)
  for (const path of [...paths, '*', '//', 'http://elsewhere/', '/sources/%00/webhook', '/revocations/%00'])
    for (const method of ['GET', 'HEAD', 'POST', 'TRACE', 'PROPFIND']) {
      const { status } = await sendRequest(service.url, method, path)
      t.ok(status === 200 || (status >= 400 && status < 500), `${method} ${path.slice(0, 60)}: ${status}`)
    }
  const headers: Record<string, string>[] = [
    { range: 'bytes=99999999-' },
    { 'if-match': 'x' },
    { 'if-unmodified-since': 'Mon, 01 Jan 1990 00:00:00 GMT' },
    { expect: 'nonsense' },
    { upgrade: 'websocket', connection: 'upgrade, close' },
    { 'accept-version': '9' },
    { 'content-type': 'a/b/c' },
  ]
  for (const set of headers)
    for (const [method, path] of [
      ['GET', `${STATIC}/index.css`],
      ['GET', '/openapi.json'],
      ['POST', '/logout-hook'],
      ['POST', '/sources/any/webhook'],
    ] as const) {
      const { status } = await sendRequest(service.url, method, path, set)
      t.ok(status >= 200 && status < 500, `${method} ${path} with ${Object.keys(set)[0]}: ${status}`)
    }
  const severe = service.logLines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 40)
  t.ok(severe.length < 10)
  t.same(new Set(severe.map(({ msg }) => msg)), new Set(['a request was rejected']))
})

t.test('a forbidden path of the documentation is reported as one that does not exist', async (t) => {
  const service = await startService(t)
  const { status, body } = await sendRequest(service.url, 'GET', `${STATIC}/%2e%2e/`)
  t.same([status, JSON.parse(body).code], [404, 'CURFEW_NOT_FOUND'])
})

t.test('every response forbids caches to store it, and browsers to guess its type', async (t) => {
  const service = await startService(t)
  for (const path of ['/revocations', '/health/ready', '/metrics', '/nowhere', '/%']) {
    const { headers } = await service.call('GET', path)
    t.equal(headers.get('cache-control'), 'no-store', path)
    t.equal(headers.get('x-content-type-options'), 'nosniff', path)
  }
  const refused = await sendBytes(service.url, 'nonsense\r\n\r\n')
  t.match(refused, /\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n/i)
})

t.test('a request without Host, or with several, is rejected with a problem', async (t) => {
  const service = await startService(t)
  const get = (lines: string) =>
    sendBytes(service.url, `GET /health/live HTTP/${lines}\r\nconnection: close\r\n\r\n`)
  for (const lines of ['1.1', '1.1\r\nhost: a\r\nhost: b', '1.0\r\nhost: a\r\nhost: a'])
    t.match(
      await get(lines),
      /^HTTP\/1\.1 400 [\s\S]*application\/problem\+json[\s\S]*"member":"Host"/,
      lines,
    )
  for (const lines of ['1.1\r\nhost: a', '1.0', '1.0\r\nhost: a'])
    t.match(await get(lines), /^HTTP\/1\.1 200 /, lines)
})

t.test('an unknown expectation is ignored', async (t) => {
  const service = await startService(t)
  const send = (path: string) => sendRequest(service.url, 'POST', path, { expect: 'nonsense' })
  t.equal((await sendRequest(service.url, 'GET', '/health/live', { expect: 'nonsense' })).status, 200)
  const { status, body } = await send('/logout-hook')
  t.same([status, JSON.parse(body).code], [401, 'CURFEW_UNAUTHENTICATED'])
})

t.test('requests whose connection has closed cause no server error', async (t) => {
  const service = await startService(t, { environment: { MAX_FAILED_AUTHENTICATIONS: '60' } })
  const { hostname, port } = new URL(service.url)
  const closed = once(service.app.server, 'connection').then(([socket]) => once(socket, 'close'))
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const bytes = `POST /logout-hook HTTP/1.1\r\nhost: curfew\r\nauthorization: Bearer wrong\r\ncontent-length: 0\r\n\r\n`
  // More than are in flight at the same time: the connection is closed while the first ones wait.
  socket.on('error', () => {}).end(bytes.repeat(20))
  await closed
  await service.call('GET', '/health/live')
  const lines = service.logLines.map((line) => JSON.parse(line))
  t.ok(lines.some(({ code }) => code === 'CURFEW_UNAUTHENTICATED'))
  t.same(
    lines.filter(({ level }) => level >= 50),
    [],
  )
})
