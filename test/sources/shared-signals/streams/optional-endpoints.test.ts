import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { CAEP } from '../../../support/shared-signals.ts'
import { passPauses } from '../../../support/stream-time.ts'
import {
  type Asked,
  acknowledged,
  checkOf,
  keepStreamAt,
  PUSH,
  startTransmitter,
} from '../../../support/transmitter.ts'

const PUSH_URL = 'https://curfew.example.com/sources/idp/events'
const REVOKED = `${CAEP}session-revoked`
const isUpdate = ({ method }: Asked) => method === 'PATCH'

for (const answer of [
  { status: 500 },
  { status: 404 },
  { status: 200, body: { status: 'unheard of' } },
  { status: 200 },
])
  t.test(`a stream is polled although its status is unavailable: ${JSON.stringify(answer)}`, async (t) => {
    const fake = await startTransmitter(t)
    fake.override('/status', answer)
    const { service, set } = await keepStreamAt(t, fake)
    await fake.until(acknowledged(await set()))
    t.match(await checkOf(service), { status: 'ok' })
    t.equal(
      service.logLines.filter((line) => line.includes('could not read the status of the stream')).length,
      1,
    )
  })

t.test('no request is sent to a status endpoint at another origin', async (t) => {
  const fake = await startTransmitter(t)
  const other = await startTransmitter(t)
  const { url } = fake.issuer
  fake.issuer.answerJson('/.well-known/ssf-configuration', {
    issuer: url,
    jwks_uri: fake.issuer.jwksUri,
    configuration_endpoint: `${url}/streams`,
    status_endpoint: `${other.issuer.url}/status`,
  })
  const { service, set } = await keepStreamAt(t, fake)
  await fake.until(acknowledged(await set()))
  t.match(await checkOf(service), { status: 'ok' })
  t.same([other.asked, other.refused], [[], []])
})

t.test('a stream is polled although its update fails, and the update is retried', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.streams.push(fake.stream('ours', { events_requested: [] }))
  fake.override('/streams', (asked) => (isUpdate(asked) ? { status: 503 } : null))
  const { service, set } = await keepStreamAt(t, fake, { clock, source: { events: [REVOKED] } })
  await fake.until(acknowledged(await set()))
  t.match(await checkOf(service), { status: 'ok' })
  for (let looks = 0; looks < 4; looks += 1) {
    clock.advance(61_000)
    await fake.until(acknowledged(await set()))
  }
  t.equal(service.logLines.filter((line) => line.includes('could not update the events')).length, 1)
  fake.override('/streams', null)
  clock.advance(61_000)
  await fake.until(acknowledged(await set()))
  t.equal(fake.streams[0].events_requested.length, 1)
  const updates = fake.asked.filter(isUpdate).length
  t.ok(updates > 5)
  for (const _ of [1, 2]) {
    clock.advance(61_000)
    await fake.until(acknowledged(await set()))
  }
  t.equal(fake.asked.filter(isUpdate).length, updates, 'no further updates')
})

t.test('a stream is polled although a deletion fails, and the deletion is retried', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  fake.streams.push(fake.stream('another'))
  fake.override('/streams', ({ method }) => (method === 'DELETE' ? { status: 503 } : null))
  clock.advance(61_000)
  await set()
  await fake.until(({ path, body }) => path === '/verify' && body.stream_id === 'another')
  await fake.until(acknowledged(await set()))
  t.match(await checkOf(service), { status: 'ok' })
  fake.override('/streams', null)
  clock.advance(61_000)
  await fake.until(acknowledged(await set()))
  t.equal(fake.streams.length, 1)
  t.equal(fake.streams[0].stream_id, 'another')
})

for (const [name, authorization_header, updates] of [
  ['another one', 'Bearer before', 1],
  ['it masked', '********', 1],
  ['none', undefined, 1],
  ['the same', 'Bearer agreed', 0],
] as const)
  t.test(`the header of pushes is updated ${updates} time(s) if the stream shows ${name}`, async (t) => {
    const clock = fakeClock()
    const fake = await startTransmitter(t)
    const delivery = { method: PUSH, endpoint_url: PUSH_URL, authorization_header }
    fake.streams.push(fake.stream('ours', { delivery }))
    // The stream shows the same as before, unless the header was not masked.
    fake.override('/streams', (asked) =>
      isUpdate(asked) && name !== 'another one' ? { status: 200, body: fake.streams[0] } : null,
    )
    const transmitter = { delivery: 'push', pushUrl: PUSH_URL }
    const source = { pushAuthorization: 'Bearer agreed' }
    const { service } = await keepStreamAt(t, fake, { clock, transmitter, source })
    await fake.until(({ path }) => path === '/verify')
    await passPauses(clock, 700_000)
    const asked = fake.asked.filter(isUpdate)
    t.equal(asked.length, updates)
    for (const { body } of asked)
      t.same(body, {
        stream_id: 'ours',
        delivery: { method: PUSH, endpoint_url: PUSH_URL, authorization_header: 'Bearer agreed' },
      })
    t.ok(fake.asked.filter(({ path }) => path === '/status').length > 2, 'the stream was read again')
    t.notMatch(service.logLines.join(''), /Bearer|\*\*\*/)
  })

t.test("without a header in the entry, the stream's header is not updated", async (t) => {
  const fake = await startTransmitter(t)
  const delivery = { method: PUSH, endpoint_url: PUSH_URL, authorization_header: 'Bearer before' }
  fake.streams.push(fake.stream('ours', { delivery }))
  await keepStreamAt(t, fake, { transmitter: { delivery: 'push', pushUrl: PUSH_URL } })
  await fake.until(({ path }) => path === '/verify')
  t.notOk(fake.asked.some(isUpdate))
})
