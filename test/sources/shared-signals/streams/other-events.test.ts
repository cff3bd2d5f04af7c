import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { CAEP } from '../../../support/shared-signals.ts'
import { acknowledged, checkOf, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

const REVOKED = `${CAEP}session-revoked`
const CHANGED = `${CAEP}credential-change`
const source = { events: [REVOKED, CHANGED] }

t.test('an existing stream that requests other events is updated, and only its events', async (t) => {
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('ours', { events_requested: [REVOKED] }))
  const { service, set } = await keepStreamAt(t, fake, { source })
  const { body } = await fake.until(({ method }) => method === 'PATCH')
  t.same(body, { stream_id: 'ours', events_requested: [REVOKED, CHANGED] })
  await fake.until(acknowledged(await set({ type: CHANGED })))
  t.equal((await service.stored()).length, 1)
})

t.test("a stream that requests the entry's events is not updated, nor is a new one", async (t) => {
  for (const streams of [true, false]) {
    const fake = await startTransmitter(t)
    if (streams) fake.streams.push(fake.stream('ours', { events_requested: [CHANGED, REVOKED] }))
    await keepStreamAt(t, fake, { source })
    await fake.until(({ path }) => path === '/poll')
    t.notOk(fake.asked.some(({ method }) => method === 'PATCH'))
  }
})

t.test('a declined update is logged, and the stream is used', async (t) => {
  for (const status of [400, 403, 405]) {
    const fake = await startTransmitter(t)
    fake.streams.push(fake.stream('ours', { events_requested: [REVOKED] }))
    fake.override('/streams', ({ method }) => (method === 'PATCH' ? { status } : null))
    const { service, set } = await keepStreamAt(t, fake, { source })
    await fake.until(acknowledged(await set()))
    const lines = service.logLines.filter((line) => line.includes('could not update the events'))
    t.equal(lines.length, 1)
    t.match(JSON.parse(String(lines[0])), {
      level: 40,
      source: 'idp',
      problem: new RegExp(`the status ${status}`),
    })
    t.match(await checkOf(service), { status: 'ok' })
  }
})

t.test('an update that fails temporarily is retried', async (t) => {
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('ours', { events_requested: [REVOKED] }))
  let failures = 1
  fake.override('/streams', ({ method }) => {
    if (method !== 'PATCH' || failures === 0) return null
    failures -= 1
    return { status: 503 }
  })
  const clock = fakeClock()
  const { set } = await keepStreamAt(t, fake, { source, clock })
  await fake.until(({ path }) => path === '/poll')
  t.same(fake.streams[0].events_requested, [REVOKED], 'it is polled in the meantime')
  clock.advance(61_000)
  await fake.until(acknowledged(await set()))
  t.equal(fake.asked.filter(({ method }) => method === 'PATCH').length, 2)
  t.same(fake.streams[0].events_requested, [REVOKED, CHANGED])
})
