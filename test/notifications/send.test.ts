import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { LookupAll } from '../../src/notifications/public-lookup.ts'
import { createSend } from '../../src/notifications/send.ts'
import { fakeClock } from '../support/clock.ts'
import { startReceiver } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'

const MESSAGE = { id: 'm1', type: 'curfew.test', at: 0, data: '{}' }
const LOOPBACK = ['127.0.0.1']

/** Sends one message to a receiver that closes with the test. */
function sender(t: Test, { networks = LOOPBACK, lookup }: { networks?: string[]; lookup?: LookupAll } = {}) {
  const clock = fakeClock()
  const { send, destroy } = createSend({ clock, networks, lookup })
  t.teardown(destroy)
  return { clock, send: (url: string) => send({ url, secrets: [RECEIVER_SECRET] }, MESSAGE) }
}

/** Resolves every name to the next of these addresses; the last one repeats. */
function lookupOf(...answers: string[][]) {
  const asked: string[] = []
  const lookup: LookupAll = (hostname, _options, callback) => {
    asked.push(hostname)
    const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? []
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return { lookup, asked }
}

t.test('2xx is delivered; everything else has a code', async (t) => {
  const receiver = await startReceiver(t)
  const { send } = sender(t)
  for (const [status, code] of [
    [200, null],
    [204, null],
    [302, 'CURFEW_RECEIVER_REDIRECT'],
    [400, 'CURFEW_RECEIVER_STATUS'],
    [410, 'CURFEW_RECEIVER_GONE'],
    [500, 'CURFEW_RECEIVER_STATUS'],
  ] as const) {
    receiver.answer = (response) => void response.writeHead(status, { location: receiver.url }).end()
    const expected = { ok: code === null, httpStatus: status, ...(code ? { code, askedMs: 0 } : {}) }
    t.same(await send(receiver.url), expected)
  }
  t.equal(receiver.requests.length, 6, 'no redirect is followed')
  receiver.answer = (response) => void response.writeHead(503, { 'retry-after': '120' }).end()
  t.match(await send(receiver.url), { askedMs: 120_000 })
})

t.test('a receiver that does not answer is abandoned after 15 s', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = () => {}
  const { send, clock } = sender(t)
  const sent = send(receiver.url)
  await receiver.got(1)
  clock.advance(14_999)
  const first = await Promise.race([sent, new Promise((resolve) => setImmediate(resolve, 'waits'))])
  t.equal(first, 'waits')
  clock.advance(1)
  t.same(await sent, { ok: false, code: 'CURFEW_RECEIVER_TIMEOUT', httpStatus: null, askedMs: 0 })
})

t.test('a connection that is never ready is abandoned after 15 s', async (t) => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const timeout = { ok: false, code: 'CURFEW_RECEIVER_TIMEOUT', httpStatus: null, askedMs: 0 }
  const { send, clock } = sender(t)
  const connected = once(silent, 'connection')
  const sent = send(`https://127.0.0.1:${(silent.address() as AddressInfo).port}/`)
  await connected
  clock.advance(15_000)
  t.same(await sent, timeout, 'no answer to the TLS hello')

  const asked = Promise.withResolvers<void>()
  const unresolved = sender(t, { lookup: () => asked.resolve() })
  const looking = unresolved.send('http://hooks.example.com/')
  await asked.promise
  unresolved.clock.advance(15_000)
  t.same(await looking, timeout, 'no answer to the lookup')
})

t.test('attempts that start together look a name up once', async (t) => {
  const receiver = await startReceiver(t)
  const answers: Parameters<LookupAll>[2][] = []
  const { send } = sender(t, { lookup: (_hostname, _options, callback) => void answers.push(callback) })
  const all = Array.from({ length: 8 }, () => send(`http://hooks.example.com:${receiver.port}/`))
  while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(answers.length, 1)
  answers[0]?.(null, [{ address: '127.0.0.1', family: 4 }])
  t.ok((await Promise.all(all)).every(({ ok }) => ok))
})

t.test('a huge answer is not read to its end, and counts by its status', async (t) => {
  const receiver = await startReceiver(t)
  let isClosed = false
  const closed = new Promise<void>((resolve) => {
    receiver.answer = (response) => {
      response.on('close', () => {
        isClosed = true
        resolve()
      })
      response.writeHead(200)
      const more = () => {
        while (!isClosed && response.write(Buffer.alloc(64 * 1024)));
      }
      response.on('drain', more)
      more()
    }
  })
  const { send } = sender(t)
  t.same(await send(receiver.url), { ok: true, httpStatus: 200 })
  await closed
  t.ok(isClosed, 'Curfew has closed the connection')
})

t.test('a closed port is unreachable', async (t) => {
  const { send } = sender(t)
  t.match(await send('http://127.0.0.1:1/'), { ok: false, code: 'CURFEW_RECEIVER_UNREACHABLE' })
})

t.test('addresses that are not public are refused, in the url and behind a name', async (t) => {
  const receiver = await startReceiver(t)
  const refused = { ok: false, code: 'CURFEW_RECEIVER_ADDRESS', httpStatus: null, askedMs: 0 }
  const { send } = sender(t, { networks: [] })
  t.same(await send(receiver.url), refused)
  t.same(await send(`http://0x7f000001:${receiver.port}/`), refused)
  t.same(await send(`http://localhost:${receiver.port}/`), refused)
  for (const address of ['127.0.0.1', '::1', '169.254.169.254', '::ffff:127.0.0.1', '10.0.0.1']) {
    const { lookup } = lookupOf([address])
    const guarded = sender(t, { networks: [], lookup })
    t.same(await guarded.send(`http://hooks.example.com:${receiver.port}/`), refused, address)
  }
  t.equal(receiver.requests.length, 0)
})

t.test('of several addresses, only the allowed ones are used', async (t) => {
  const receiver = await startReceiver(t)
  const { lookup } = lookupOf(['10.0.0.1', '127.0.0.1'])
  const { send } = sender(t, { lookup })
  t.match(await send(`http://hooks.example.com:${receiver.port}/`), { ok: true })
})

t.test('the checked address is the one that is connected to', async (t) => {
  const receiver = await startReceiver(t)
  // A rebinding name: first an allowed address, then another one for whoever asks again.
  const { lookup, asked } = lookupOf(['127.0.0.1'], ['10.0.0.1'])
  const { send } = sender(t, { lookup })
  t.match(await send(`http://hooks.example.com:${receiver.port}/`), { ok: true })
  t.same(asked, ['hooks.example.com'], 'looked up once')
})

t.test('a name that rebinds to a private address is refused at the next connection', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = (response) => void response.writeHead(200, { connection: 'close' }).end()
  const { lookup } = lookupOf(['127.0.0.1'], ['10.0.0.1'])
  const { send } = sender(t, { lookup })
  t.match(await send(`http://hooks.example.com:${receiver.port}/`), { ok: true })
  t.match(await send(`http://hooks.example.com:${receiver.port}/`), { code: 'CURFEW_RECEIVER_ADDRESS' })
})
