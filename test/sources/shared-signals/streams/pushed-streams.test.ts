import t, { type Test } from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { SSF, setClaims } from '../../../support/shared-signals.ts'
import { passPauses, pauseUntil } from '../../../support/stream-time.ts'
import {
  checkOf,
  type FakeTransmitter,
  keepStreamAt,
  startTransmitter,
} from '../../../support/transmitter.ts'

const PUSH_URL = 'https://curfew.example.com/sources/idp/events'

/** A replica of a service with a pushed stream, with its own clock. */
async function startReplica(t: Test, fake: FakeTransmitter) {
  const clock = fakeClock()
  const transmitter = { delivery: 'push', pushUrl: PUSH_URL }
  const { service } = await keepStreamAt(t, fake, { clock, transmitter })
  const push = async (type: string, streamId: string | null, event: object) => {
    const subject = streamId === null ? null : { format: 'opaque', id: streamId }
    const claims = setClaims(fake.issuer.url, clock.now(), { type: `${SSF}${type}`, subject, event })
    return service.call('POST', '/sources/idp/events', {
      body: await fake.issuer.sign(claims as never),
      headers: { authorization: '', 'content-type': 'application/secevent+jwt' },
    })
  }
  return { clock, service, push }
}

const verifications = (fake: FakeTransmitter, streamId: string) =>
  fake.asked.filter(({ path, body }) => path === '/verify' && body.stream_id === streamId)

t.test('with push, a stream that is deleted at the transmitter is created again each time', async (t) => {
  const fake = await startTransmitter(t)
  const { clock, service, push } = await startReplica(t, fake)
  for (const id of ['stream-1', 'stream-2', 'stream-3']) {
    const { body } = await fake.until(({ path, body }) => path === '/verify' && body.stream_id === id)
    t.equal((await push('verification', id, { state: body.state })).status, 202)
    t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
    // Until the second look, which follows soon after the creation.
    await passPauses(clock, 130_000)
    const startedAt = clock.now()
    fake.streams.length = 0
    await pauseUntil(clock, fake, () => fake.streams.length === 1)
    t.ok(clock.now() - startedAt <= 6 * 60_000, 'within six minutes')
  }
})

t.test('a replica that knows the previous stream accepts the verification of the next one', async (t) => {
  const fake = await startTransmitter(t)
  const one = await startReplica(t, fake)
  await fake.until(({ path }) => path === '/verify')
  const other = await startReplica(t, fake)
  while (verifications(fake, 'stream-1').length < 2) await other.service.call('GET', '/health/live')
  fake.streams.length = 0
  await pauseUntil(one.clock, fake, () => verifications(fake, 'stream-2').length > 0)
  const { state } = verifications(fake, 'stream-2')[0]?.body ?? {}
  t.match(await other.push('verification', 'stream-9', { state }), { status: 400 }, 'it is for one stream')
  t.match(await other.push('verification', 'stream-9', {}), { json: { err: 'invalid_request' } })
  t.match(await other.push('verification', 'stream-2', { state: `${state}x` }), { status: 400 })
  t.notMatch(await checkOf(other.service), { detail: 'verified' })
  t.equal((await other.push('verification', 'stream-2', { state })).status, 202)
  t.match(await checkOf(other.service), { status: 'ok', detail: 'verified' })
  t.equal((await other.push('stream-updated', 'stream-2', { status: 'paused' })).status, 202)
  t.match(await checkOf(other.service), { status: 'warning' }, 'it is the known stream')
})

t.test('a state without a stream id is checked against the known stream', async (t) => {
  const fake = await startTransmitter(t)
  const { service, push } = await startReplica(t, fake)
  const { body } = await fake.until(({ path }) => path === '/verify')
  t.match(await push('verification', null, { state: 'made-up' }), { json: { err: 'invalid_state' } })
  t.equal((await push('verification', null, { state: body.state })).status, 202)
  t.match(await checkOf(service), { detail: 'verified' })
})
