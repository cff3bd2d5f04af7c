import { once } from 'node:events'
import { connect } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendBytes, sendRequest } from '../support/raw-http.ts'
import { API_KEY, startService } from '../support/service.ts'

const AUTHORIZATION = `authorization: Bearer ${API_KEY}\r\n`
const bodyOf = (answer: string) => JSON.parse(answer.split('\r\n\r\n')[1] ?? '')

t.test('unknown routes are reported as a problem', async (t) => {
  const service = await startService(t)
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/logout-hook'],
    ['PUT', '/logout-hook'],
    ['POST', '/logout-hook/'],
    ['POST', '/Logout-Hook'],
    ['GET', '/users/u1/revoke-all'],
    ['DELETE', '/revocations'],
    ['OPTIONS', '/revocations'],
    ['POST', '/health/ready'],
    ['GET', '/constructor'],
    ['GET', '/__proto__'],
  ] as const) {
    for (const authorization of ['', `Bearer ${API_KEY}`]) {
      const reply = await service.call(method, path, { headers: { authorization } })
      isProblem(t, reply, 'CURFEW_NOT_FOUND')
    }
  }
})

t.test('a path that is not percent-encoded UTF-8 is rejected', async (t) => {
  const service = await startService(t)
  for (const path of ['/%', '/%zz', '/%ff', '/revocations/%c3', '/users/%ed%a0%80/revoke-all']) {
    for (const authorization of ['', `Bearer ${API_KEY}`]) {
      const reply = await service.call('POST', path, { headers: { authorization } })
      isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'path')
    }
  }
})

t.test('invalid HTTP gets a response on the socket, which is then closed', async (t) => {
  const service = await startService(t)
  const post = `POST /logout-hook HTTP/1.1\r\nhost: curfew\r\n${AUTHORIZATION}`
  const refused: [name: string, bytes: string | Buffer, status: number][] = [
    ['noise', Buffer.from([0, 1, 2, 255, 13, 10, 13, 10]), 400],
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex'), 400],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n', 400],
    ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a header without a colon', 'GET / HTTP/1.1\r\nnonsense\r\n\r\n', 400],
    ['a header folded', 'GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['a path without end', `GET /${'y'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 431],
    ['two lengths', `${post}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, 400],
    ['a length and chunks', `${post}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a length below zero', `${post}content-length: -1\r\n\r\n`, 400],
    ['a chunk of no size', `${post}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, 400],
  ]
  for (const [name, bytes, status] of refused) {
    const answer = await sendBytes(service.url, bytes)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), name)
    t.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/i)
    t.match(bodyOf(answer), { status, code: 'CURFEW_REQUEST_INVALID' })
  }
  t.equal((await sendRequest(service.url, 'GET', '/health/live')).status, 200, 'and all others are served')
  await nothingStored(t, service)
})

t.test('an unexpected error returns a 500 without details, which are in the log', async (t) => {
  const service = await startService(t)
  const { exec } = DatabaseSync.prototype
  t.teardown(() => {
    DatabaseSync.prototype.exec = exec
  })
  DatabaseSync.prototype.exec = () => {
    throw new RangeError('secret')
  }
  const reply = await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  isProblem(t, reply, 'CURFEW_INTERNAL')
  t.notMatch(reply.text, 'secret')
  const line = service.logLines
    .map((text) => JSON.parse(text))
    .find(({ reqId }) => reqId === reply.json.requestId)
  t.match(line, {
    level: 50,
    code: 'CURFEW_INTERNAL',
    err: { cause: { type: 'RangeError', stack: /problems\.test/ } },
  })
})

t.test('a sender that disconnects within the body leaves neither data nor an error', async (t) => {
  const service = await startService(t)
  const { hostname, port } = new URL(service.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const [received] = await Promise.all([
    once(service.app.server, 'request'),
    socket.write(
      `POST /logout-hook HTTP/1.1\r\nhost: a\r\n${AUTHORIZATION}content-type: application/json\r\n` +
        `content-length: 100\r\n\r\n{"userId":"u1"`,
    ),
  ])
  const gone = new Promise((resolve) => received[0].once('error', () => {}).once('close', resolve))
  socket.destroy()
  await gone
  await nothingStored(t, service)
  const severe = service.logLines.filter((line) => JSON.parse(line).level >= 40)
  t.same(severe, [])
})

t.test('a slow sender is disconnected: headers after 5 s, the whole request after 10 s', async (t) => {
  const { app } = await startService(t)
  // The settings are checked because waiting would take too long. Node applies them if the first is not longer.
  t.match(app.server, { headersTimeout: 5_000, requestTimeout: 10_000 })
  t.equal(Reflect.get(app.server, 'connectionsCheckingInterval'), 500, 'Node would look every 30 s only')
})
