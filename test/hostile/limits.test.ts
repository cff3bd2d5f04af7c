import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { signWebhook } from '../../src/base/standard-webhooks.ts'
import { fakeClock, testClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'
import { openConnection, sendBytes } from '../support/raw-http.ts'
import { API_KEY, type ServiceOptions, startService } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'

/** The attacks, without their numbers: `npm run hostile` measures those. */

/** `once` would reject with the error of a reset. */
const closing = (socket: Socket) => new Promise<unknown>((resolve) => socket.once('close', resolve))

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: curfew\r\n\r\n`

async function refusals(call: Awaited<ReturnType<typeof startService>>['call'], reason: string) {
  const { text } = await call('GET', '/metrics')
  return Number(new RegExp(`^curfew_refusals_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1])
}

t.test('a connection that pipelines too many requests is closed', async (t) => {
  const { url, call } = await startService(t)
  const socket = await openConnection(t, url)
  socket.resume()
  const closed = closing(socket)
  socket.write(get('/openapi.json').repeat(1_500))
  await closed
  t.equal(await refusals(call, 'pipelining'), 1)
  t.equal((await call('GET', '/health/live')).status, 200)
})

t.test('a connection that pipelines up to 16 requests gets all responses, in order', async (t) => {
  const { url } = await startService(t)
  const socket = await openConnection(t, url)
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk
  })
  const closed = closing(socket)
  socket.write(
    get('/health/live').repeat(15) + get('/nothing').replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'),
  )
  await closed
  t.same(
    [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    [...Array(15).fill('200'), '404'],
  )
})

t.test(
  'requests that are pipelined with bodies count, although each is answered before Node parses the next',
  async (t) => {
    const { url, call } = await startService(t)
    const socket = await openConnection(t, url)
    socket.resume()
    const closed = closing(socket)
    socket.write('POST /logout-hook HTTP/1.1\r\nhost: curfew\r\ncontent-length: 2\r\n\r\n{}'.repeat(17))
    await closed
    t.equal(await refusals(call, 'pipelining'), 1)
  },
)

t.test('beyond the limit, each failed authentication costs a connection', async (t) => {
  const { url } = await startService(t, { environment: { MAX_FAILED_AUTHENTICATIONS: '1' } })
  const socket = await openConnection(t, url)
  const answers = text(socket)
  socket.write(
    `POST /logout-hook HTTP/1.1\r\nhost: curfew\r\nauthorization: Bearer ${'k'.repeat(32)}\r\n\r\n`.repeat(3),
  )
  t.same(
    [...(await answers).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['401', '429'],
  )
})

t.test('a body in thousands of chunks closes its connection, and Node can reuse its parser', async (t) => {
  const { url, call } = await startService(t)
  const socket = await openConnection(t, url)
  const response = text(socket)
  socket.write('POST /nothing HTTP/1.1\r\nhost: curfew\r\ntransfer-encoding: chunked\r\n\r\n')
  socket.write('1\r\nx\r\n'.repeat(10_000))
  t.match(await response, /^HTTP\/1.1 40[04] /)
  t.equal(await refusals(call, 'chunks'), 1)
  for (let count = 0; count < 3; count += 1) {
    const head = `POST /logout-hook HTTP/1.1\r\nhost: curfew\r\nconnection: close\r\nauthorization: Bearer ${API_KEY}\r\n`
    const type = 'transfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n'
    const body = '2\r\n{"\r\n10\r\nuserId":"user-1"\r\n1\r\n}\r\n0\r\n\r\n'
    t.match(await sendBytes(url, head + type + body), /^HTTP\/1\.1 202 /)
  }
})

t.test('a connection that does not read its response is closed', async (t) => {
  const clock = fakeClock()
  const { url, call } = await startService(t, { clock })
  await call('GET', '/docs/static/swagger-ui-bundle.js')
  const socket = await openConnection(t, url)
  socket.pause()
  // More than the buffers of both sockets hold.
  socket.write(get('/docs/static/swagger-ui-bundle.js').repeat(16))
  t.equal(await clock.timerOf('http/connections.ts'), 20_000)
  clock.advance(20_000)
  const closed = closing(socket)
  socket.resume()
  await closed
  t.equal(await refusals(call, 'unread'), 1)
})

t.test('with nearly all connections in use, idle ones give way', async (t) => {
  const { url, call } = await startService(t, { environment: { MAX_CONNECTIONS: '10' } })
  const idle = await Promise.all(Array.from({ length: 8 }, () => openConnection(t, url)))
  for (const socket of idle) {
    socket.write(get('/health/live'))
    await once(socket, 'data')
  }
  const closed = Promise.all(idle.map(closing))
  for (let count = 0; count < 2; count += 1) (await openConnection(t, url)).resume()
  await closed
  t.equal(await refusals(call, 'connections'), 0)
})

t.test('unfinished bodies to a source lose against the memory for bodies; a signal does not', async (t) => {
  const source = { name: 'auth0', kind: 'auth0-log-stream', secrets: ['the-secret-of-auth0'] }
  const { url, call, app } = await startWithSources(t, [source])
  const size = 1024 * 1024
  const head = `POST /sources/auth0/webhook HTTP/1.1\r\nhost: curfew\r\ncontent-type: application/json\r\ncontent-length: ${size}\r\n\r\n`
  const sockets = await Promise.all(Array.from({ length: 40 }, () => openConnection(t, url)))
  const answers: string[] = []
  const refused = sockets.map(
    (socket) =>
      new Promise<void>((resolve) => socket.on('data', (chunk) => resolve(void answers.push(`${chunk}`)))),
  )
  for (const socket of sockets) socket.write(head + 'x'.repeat(size - 1))
  await Promise.any(refused)
  t.match(answers[0], /^HTTP\/1\.1 503 [\s\S]*retry-after: 5\r\n[\s\S]*CURFEW_OVERLOADED/)
  t.ok(app.limits.bodies.totalBytes <= 16 * size)
  const headers = { authorization: 'the-secret-of-auth0' }
  t.equal((await call('POST', '/sources/auth0/webhook', { body: [], headers })).status, 204)
  for (const socket of sockets) socket.destroy()
})

t.test('a body that is announced as too large is rejected before it is sent', async (t) => {
  const { url } = await startService(t)
  const socket = await openConnection(t, url)
  const headers =
    'webhook-id: i\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\ncontent-length: 65537\r\n'
  socket.write(`POST /logout-hook HTTP/1.1\r\nhost: curfew\r\n${headers}\r\n`)
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1\.1 413 /)
})

t.test('before memory runs out, all requests except probes get 503', async (t) => {
  let used = 0
  const clock = fakeClock()
  const options: ServiceOptions = { memory: () => [{ used, limit: 100 }], clock }
  const { call, logLines } = await startService(t, options)
  t.equal((await call('POST', '/logout-hook', { body: { userId: 'u1' } })).status, 202)
  used = 86
  clock.advance(100)
  const reply = await call('POST', '/logout-hook', { body: { userId: 'u1' } })
  isProblem(t, reply, 'CURFEW_OVERLOADED')
  t.equal(reply.headers.get('retry-after'), '5')
  t.equal((await call('GET', '/openapi.json')).status, 503)
  for (const path of ['/health/live', '/health/ready'])
    t.not((await call('GET', path)).json.code, 'CURFEW_OVERLOADED')
  t.equal(logLines.filter((line) => line.includes('memory is nearly used up')).length, 1)
  used = 85
  clock.advance(100)
  t.equal((await call('GET', '/openapi.json')).status, 200)
})

t.test(
  'while the event loop is late, requests that can wait get 503; signals and probes do not',
  async (t) => {
    const clock = fakeClock()
    let delay: number | null = 1_001
    const source = { name: 'auth0', kind: 'auth0-log-stream', secrets: ['the-secret-of-auth0'] }
    const service = await startWithSources(t, [source], { clock, loopDelay: () => delay })
    const { call, logLines } = service
    for (const path of ['/openapi.json', '/docs', '/metrics', '/revocations', '/nothing']) {
      const reply = await call('GET', path)
      isProblem(t, reply, 'CURFEW_OVERLOADED')
      t.equal(reply.headers.get('retry-after'), '5')
    }
    for (const path of ['/health/live', '/health/ready']) t.equal((await call('GET', path)).status, 200)
    const body = { userId: 'u1' }
    t.equal((await call('POST', '/logout-hook', { body })).status, 202)
    t.equal((await call('POST', '/users/u1/revoke-all')).status, 202)
    t.equal((await call('POST', '/revocations', { body: { users: [body] } })).status, 202)
    const headers = { authorization: 'the-secret-of-auth0' }
    t.equal((await call('POST', '/sources/auth0/webhook', { body: [], headers })).status, 204)
    t.equal(logLines.filter((line) => line.includes('too busy')).length, 1)
    // No turn since the last sample: still late.
    delay = null
    clock.advance(2_000)
    t.equal((await call('GET', '/openapi.json')).status, 503)
    delay = 1_000
    clock.advance(2_000)
    t.equal((await call('GET', '/openapi.json')).status, 200)
    t.equal(await refusals(call, 'delay'), 6)
  },
)

t.test('failed authentications are limited per address; requests that authenticate are not', async (t) => {
  const clock = fakeClock()
  const environment = { MAX_FAILED_AUTHENTICATIONS: '60', TRUST_PROXY: 'loopback' }
  const { call } = await startService(t, { clock, environment })
  const from = (address: string, authorization = 'Bearer wrong') =>
    call('POST', '/logout-hook', {
      body: { userId: 'u1' },
      headers: { 'x-forwarded-for': address, authorization },
    })
  for (let index = 0; index < 60; index += 1)
    isProblem(t, await from('2001:db8::1'), 'CURFEW_UNAUTHENTICATED')
  const limited = await from('2001:db8::2')
  isProblem(t, limited, 'CURFEW_TOO_MANY_FAILURES')
  t.equal(limited.headers.get('retry-after'), '60')
  isProblem(t, await from('2001:db8:0:1::1'), 'CURFEW_UNAUTHENTICATED')
  const { headers } = await call('POST', '/logout-hook', {
    body: { userId: 'u1' },
    headers: { 'x-forwarded-for': '2001:db8::1' },
  })
  t.match(headers.get('location'), /^\/revocations\//, 'a valid key from the same address')
  t.equal(await refusals(call, 'failed-authentication'), 1)
  clock.advance(60_000)
  isProblem(t, await from('2001:db8::1'), 'CURFEW_UNAUTHENTICATED')
})

t.test('a webhook by the last of many secrets is accepted from an address over its limit', async (t) => {
  const secrets = Array.from({ length: 100 }, () => `whsec_${randomBytes(32).toString('base64')}`)
  const environment = { MAX_FAILED_AUTHENTICATIONS: '1', WEBHOOK_SECRETS: secrets.join() }
  const { call } = await startService(t, { environment })
  const signed = (secret: string, path = '/logout-hook') => {
    const body = JSON.stringify({ userId: 'u1' })
    const headers = signWebhook({ secret, id: randomUUID(), body, now: testClock.now() })
    return call('POST', path, { body, headers: { authorization: '', ...headers } })
  }
  const forged = `whsec_${randomBytes(32).toString('base64')}`
  isProblem(t, await signed(forged), 'CURFEW_SIGNATURE_INVALID')
  isProblem(t, await signed(forged), 'CURFEW_TOO_MANY_FAILURES')
  t.equal((await signed(String(secrets[99]))).status, 202)
  t.equal((await signed(String(secrets[98]), '/logout-hook?sender=WEBHOOK_SECRETS[98]')).status, 202)
})

t.test(
  'a wrong API key of a readiness probe counts as a failed authentication, but the probe is answered',
  async (t) => {
    const { call } = await startService(t, { environment: { MAX_FAILED_AUTHENTICATIONS: '1' } })
    for (const authorization of ['Bearer wrong', 'Bearer wrong', ''])
      t.equal((await call('GET', '/health/ready', { headers: { authorization } })).status, 200)
    t.equal(await refusals(call, 'failed-authentication'), 0)
    const refused = await call('GET', '/revocations', { headers: { authorization: 'Bearer wrong' } })
    isProblem(t, refused, 'CURFEW_TOO_MANY_FAILURES')
  },
)

t.test('X-Forwarded-For is ignored unless the proxy is trusted', async (t) => {
  const { call } = await startService(t, { environment: { MAX_FAILED_AUTHENTICATIONS: '1' } })
  const from = (address: string) =>
    call('GET', '/revocations', { headers: { 'x-forwarded-for': address, authorization: 'Bearer wrong' } })
  isProblem(t, await from('192.0.2.1'), 'CURFEW_UNAUTHENTICATED')
  isProblem(t, await from('192.0.2.2'), 'CURFEW_TOO_MANY_FAILURES')
})
