import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { SSF } from '../../../support/shared-signals.ts'
import { nextPause } from '../../../support/stream-time.ts'
import { acknowledged, checkOf, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

const PUSH_URL = 'https://curfew.example.com/sources/idp/events'
const MINUTE = 60_000

t.test(
  'if two replicas create a stream each, both use the same one, and the other is deleted by its creator',
  async (t) => {
    const fake = await startTransmitter(t)
    // Neither sees a stream before both have listed streams, and both create one before they list again.
    const barrier = (count: number) => {
      const waiting: (() => void)[] = []
      return () =>
        new Promise<void>((resolve) => {
          waiting.push(resolve)
          if (waiting.length === count) for (const go of waiting) go()
        })
    }
    const lists = [barrier(2), barrier(2)]
    let listed = 0
    fake.before('/streams', async ({ method }) => {
      if (method !== 'GET') return
      listed += 1
      await lists[listed > 2 ? 1 : 0]?.()
    })
    await Promise.all([keepStreamAt(t, fake), keepStreamAt(t, fake)])
    await fake.until(({ method }) => method === 'DELETE')
    const verified = () => fake.asked.filter(({ path }) => path === '/verify')
    await fake.until(() => verified().length === 2)
    t.same(
      verified().map(({ body }) => body.stream_id),
      ['stream-1', 'stream-1'],
    )
    t.same(
      fake.asked.filter(({ method }) => method === 'DELETE').map(({ streamId }) => streamId),
      ['stream-2'],
    )
  },
)

for (const delivery of ['poll', 'push']) {
  t.test(`a stream that another replica chose later is used by all: ${delivery}`, async (t) => {
    const clock = fakeClock()
    const fake = await startTransmitter(t)
    const transmitter = delivery === 'push' ? { delivery, pushUrl: PUSH_URL } : { delivery }
    const { service, set } = await keepStreamAt(t, fake, { clock, transmitter })
    const { body } = await fake.until(({ path }) => path === '/verify')
    if (delivery === 'poll') {
      const verification = { subject: { format: 'opaque', id: 'stream-1' }, event: { state: body.state } }
      await fake.until(acknowledged(await set({ type: `${SSF}verification`, ...verification })))
      t.match(await checkOf(service), { detail: 'verified' })
    }
    const [created] = fake.streams
    fake.streams.push({ ...created, stream_id: 'another' })
    if (delivery === 'push') await nextPause(clock)
    clock.advance(MINUTE - 1_000)
    if (delivery === 'poll') await fake.until(acknowledged(await set()))
    t.same(
      fake.streams.map(({ stream_id }) => stream_id),
      ['stream-1', 'another'],
    )
    clock.advance(2_000)
    if (delivery === 'poll') await set()
    await fake.until(() => fake.streams.length === 1)
    t.equal(fake.streams[0].stream_id, 'another')
    await fake.until(({ path, body }) => path === '/verify' && body.stream_id === 'another')
    t.match(await checkOf(service), { status: 'ok' })
    t.notMatch(await checkOf(service), { detail: 'verified' }, 'that was the other stream')
  })
}

t.test("if only one stream is allowed, the other replica's stream is used", async (t) => {
  const fake = await startTransmitter(t)
  fake.override('/streams', ({ method }) => {
    if (method !== 'POST') return null
    fake.streams.push(fake.stream('of-another-replica'))
    return { status: 409 }
  })
  const { service } = await keepStreamAt(t, fake)
  const { body } = await fake.until(({ path }) => path === '/verify')
  t.equal(body.stream_id, 'of-another-replica')
  t.notOk(service.logLines.some((line) => line.includes('event stream failed')))
})

t.test("another receiver's stream is not used even if no further one is allowed", async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('theirs', { description: 'of somebody else' }))
  fake.override('/streams', ({ method }) => (method === 'POST' ? { status: 409 } : null))
  const { service } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ method }) => method === 'POST')
  for (;;) {
    const { detail = '' } = (await checkOf(service)) ?? {}
    if (/none of the existing ones belongs to this source/.test(detail)) break
  }
  t.notOk(fake.asked.some(({ path }) => path === '/verify'))
})

t.test('a transmitter that deletes no streams is usable', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  fake.streams.push(fake.stream('another'))
  fake.override('/streams', ({ method }) => (method === 'DELETE' ? { status: 405 } : null))
  clock.advance(MINUTE)
  await set()
  await fake.until(({ path, body }) => path === '/verify' && body.stream_id === 'another')
  await fake.until(acknowledged(await set()))
  t.ok(service.logLines.some((line) => line.includes('could not delete an unused stream')))
  t.match(await checkOf(service), { status: 'ok' })
})

t.test('if looking for the stream again fails, it is still polled', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  fake.override('/streams', { status: 503 })
  clock.advance(MINUTE)
  for (const _ of [1, 2, 3]) await fake.until(acknowledged(await set()))
  t.equal(service.logLines.filter((line) => line.includes('could not look for the event stream')).length, 1)
  fake.override('/streams', null)
  fake.streams.push(fake.stream('another'))
  clock.advance(MINUTE)
  await set()
  await fake.until(({ method }) => method === 'DELETE')
  t.match(await checkOf(service), { status: 'ok' })
})
