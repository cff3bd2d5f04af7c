import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { passPauses } from '../../../support/stream-time.ts'
import {
  type Asked,
  acknowledged,
  checkOf,
  type FakeTransmitter,
  keepStreamAt,
  PUSH,
  startTransmitter,
} from '../../../support/transmitter.ts'

const isCreation = ({ path, method }: Asked) => path === '/streams' && method === 'POST'
const creations = (fake: FakeTransmitter) => fake.asked.filter(isCreation).length
const warning = "does not show which streams are Curfew's"

for (const [name, list] of [
  ['a list that stays empty', () => ({ status: 200, body: [] })],
  ['404 for a list', () => ({ status: 404 })],
  [
    'another name of the delivery',
    (fake: FakeTransmitter) => ({
      status: 200,
      body: fake.streams.map((stream) => ({ ...stream, delivery: { ...stream.delivery, method: 'poll' } })),
    }),
  ],
] as const)
  t.test(`a stream that this process created is found by its id: ${name}`, async (t) => {
    const clock = fakeClock()
    const fake = await startTransmitter(t)
    fake.override('/streams', ({ method, streamId }) =>
      method === 'GET' && streamId === null ? list(fake) : null,
    )
    const { service, set } = await keepStreamAt(t, fake, { clock })
    await fake.until(({ path }) => path === '/poll')
    for (const _ of [1, 2, 3]) {
      clock.advance(61_000)
      await fake.until(acknowledged(await set()))
    }
    t.equal(creations(fake), 1)
    t.equal(fake.asked.filter(({ method }) => method === 'DELETE').length, 0)
    t.match(await checkOf(service), { status: 'ok' })
  })

t.test('another stream is created only if the id is unknown to the transmitter', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  fake.override('/streams', ({ method, streamId }) => {
    if (method !== 'GET') return null
    return streamId === null ? { status: 200, body: [] } : { status: 503 }
  })
  for (const _ of [1, 2]) {
    clock.advance(61_000)
    await fake.until(acknowledged(await set()))
  }
  t.equal(creations(fake), 1, 'a 503 does not mean that the stream is missing')
  fake.streams.length = 0
  fake.override('/streams', null)
  const isVerification = ({ path, body }: Asked) => path === '/verify' && body.stream_id === 'stream-2'
  clock.advance(61_000)
  await set()
  await fake.until(isVerification)
  t.equal(creations(fake), 2)
})

t.test("another receiver's stream is not used if a stream can be created", async (t) => {
  const fake = await startTransmitter(t)
  fake.streams.push(
    fake.stream('0', { description: undefined }),
    fake.stream('1', { aud: 'https://somebody.example.com' }),
    fake.stream('2', { iss: 'https://other.example.com' }),
  )
  const { set } = await keepStreamAt(t, fake)
  t.equal((await fake.until(({ path }) => path === '/verify')).body.stream_id, 'stream-1')
  await fake.until(acknowledged(await set()))
})

t.test('if no further stream is allowed, an unmarked one is used', async (t) => {
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('only', { description: undefined }))
  fake.override('/streams', ({ method }) => (method === 'POST' ? { status: 409 } : null))
  const { service, set } = await keepStreamAt(t, fake)
  t.equal((await fake.until(({ path }) => path === '/verify')).body.stream_id, 'only')
  await fake.until(acknowledged(await set()))
  t.notOk(service.logLines.some((line) => line.includes(warning)))
})

t.test('the stream of streamId is used, and none is created', async (t) => {
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('0'), fake.stream('named', { description: undefined }))
  const { set } = await keepStreamAt(t, fake, { transmitter: { streamId: 'named' } })
  t.equal((await fake.until(({ path }) => path === '/verify')).body.stream_id, 'named')
  await fake.until(acknowledged(await set()))
  t.equal(creations(fake), 0)
})

t.test('a missing stream of streamId is a problem, and none is created', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('ours'))
  const { service } = await keepStreamAt(t, fake, { clock, transmitter: { streamId: 'gone' } })
  await fake.until(({ streamId }) => streamId === 'gone')
  for (;;) {
    const { detail = '' } = (await checkOf(service)) ?? {}
    if (/no stream with the id.*streamId/.test(detail)) break
  }
  await passPauses(clock, 120_000)
  t.equal(creations(fake), 0)
  t.notOk(fake.asked.some(({ path }) => path === '/poll'))
})

t.test('a pushed stream of streamId is not polled', async (t) => {
  const fake = await startTransmitter(t)
  const delivery = { method: PUSH, endpoint_url: `${fake.issuer.url}/poll` }
  fake.streams.push(fake.stream('named', { delivery }))
  const { service } = await keepStreamAt(t, fake, { transmitter: { streamId: 'named' } })
  for (;;) {
    const { detail = '' } = (await checkOf(service)) ?? {}
    if (/streamId.*another delivery method/.test(detail)) break
    if (fake.asked.some(({ path }) => path === '/poll')) return t.fail('it is polled')
  }
})

t.test('if descriptions are not kept, the log says what to do', async (t) => {
  const table: [members: object, delivery: object, isLogged: boolean][] = [
    [{ description: undefined }, {}, true],
    [{}, {}, false],
    [{ description: undefined }, { delivery: 'push', pushUrl: 'https://curfew.example.com/e' }, false],
  ]
  for (const [members, transmitter, isLogged] of table) {
    const fake = await startTransmitter(t)
    fake.override('/streams', ({ method, body }) => {
      if (method !== 'POST') return null
      fake.streams.push({ ...fake.stream('made'), ...body, ...members })
      if (!('delivery' in transmitter)) fake.streams[0].delivery.endpoint_url = `${fake.issuer.url}/poll`
      return { status: 201, body: fake.streams[0] }
    })
    const { service } = await keepStreamAt(t, fake, { transmitter })
    await fake.until(({ path }) => path === '/verify')
    const lines = service.logLines.filter((line) => line.includes(warning)).map((line) => JSON.parse(line))
    if (isLogged)
      t.match(lines, [{ level: 40, source: 'idp', streamId: 'made', msg: /transmitter\.streamId/ }])
    else t.same(lines, [])
  }
})
