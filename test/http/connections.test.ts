import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type ConnectionOptions, limitedServer } from '../../src/http/connections.ts'
import type { CountRefusal } from '../../src/http/refusals.ts'
import { testClock } from '../support/clock.ts'
import { openConnection } from '../support/raw-http.ts'

async function serve(
  t: Test,
  handler: RequestListener,
  refused: CountRefusal = () => {},
  options: Partial<ConnectionOptions> = {},
): Promise<string> {
  const defaults = { http: {}, maxConnections: 10, clock: testClock, refused }
  const server = limitedServer({ ...defaults, ...options })(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const MIB = 1024 * 1024
const post = (length: number) => `POST / HTTP/1.1\r\nhost: curfew\r\ncontent-length: ${length}\r\n\r\n`

t.test('pipelined requests are handled one after the other, each in a turn of the event loop', async (t) => {
  let turn = 0
  const turns: number[] = []
  const url = await serve(t, (_request, response) => {
    turns.push(turn)
    setImmediate(() => {
      turn += 1
    })
    response.end('answer')
  })
  const socket = await openConnection(t, url)
  const answers = text(socket)
  const last = post(2).replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')
  socket.write(`${post(2)}{}${post(2)}{}${post(2)}{}${last}{}`)
  t.equal((await answers).match(/answer/g)?.length, 4)
  t.same(turns, [0, 1, 2, 3])
})

t.test('the body of a rejected request arrives in many turns of the event loop', async (t) => {
  let most = 0
  let ended = () => {}
  const end = new Promise<void>((resolve) => {
    ended = resolve
  })
  const url = await serve(t, (request, response) => {
    response.writeHead(404).end()
    request.once('end', ended)
    let before = request.socket.bytesRead
    const measure = () => {
      most = Math.max(most, request.socket.bytesRead - before)
      before = request.socket.bytesRead
      if (!request.complete) setImmediate(measure)
    }
    measure()
  })
  const socket = await openConnection(t, url)
  socket.resume()
  socket.write(post(4 * MIB) + 'x'.repeat(4 * MIB))
  await end
  // One read that fills the buffer of the body, and one that finds it full; without a limit, 2 MB.
  t.ok(most > 0 && most <= 3 * 64 * 1024, `${most} bytes in one turn`)
})

t.test('a body may have any number of chunks, but not in one turn of the event loop', async (t) => {
  const refusals: string[] = []
  const url = await serve(
    t,
    (request, response) => {
      request.resume().once('end', () => response.end('answer'))
    },
    (reason) => refusals.push(reason),
  )
  const head = 'POST / HTTP/1.1\r\nhost: curfew\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n'
  const socket = await openConnection(t, url)
  const answers = text(socket)
  socket.write(head)
  for (let part = 0; part < 10; part += 1) {
    socket.write('1\r\nx\r\n'.repeat(100))
    for (let turn = 0; turn < 5; turn += 1) await nextTurn()
  }
  socket.write('0\r\n\r\n')
  t.match(await answers, /answer/)
  t.same(refusals, [])

  const hostile = await openConnection(t, url)
  const refusal = text(hostile)
  hostile.write(head + '1\r\nx\r\n'.repeat(9_000))
  t.match(await refusal, /^HTTP\/1.1 400 .*fewer, larger ones/s)
  t.same(refusals, ['chunks'])
})

t.test('the oldest connection without a request is closed before all are in use', async (t) => {
  const handler: RequestListener = (_request, response) => void response.end('answer')
  const refusals: string[] = []
  const url = await serve(t, handler, (reason) => refusals.push(reason), { maxConnections: 4 })
  const [used, oldest] = [await openConnection(t, url), await openConnection(t, url)]
  used.resume().write('GET / HTTP/1.1\r\nhost: curfew\r\n\r\n')
  await once(used, 'data')
  const closed = once(oldest.resume(), 'close')
  await openConnection(t, url)
  const answers = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const socket = await openConnection(t, url)
      const answer = text(socket)
      socket.write('GET / HTTP/1.1\r\nhost: curfew\r\nconnection: close\r\n\r\n')
      return answer
    }),
  )
  await closed
  for (const answer of answers) t.match(answer, /answer/)
  t.same(refusals, [])
})
