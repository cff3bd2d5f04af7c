import t, { type Test } from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { SSF, setClaims } from '../../support/shared-signals.ts'
import { passTime, passTimeUntil } from '../../support/stream-time.ts'
import { checkOf, type FakeTransmitter, keepStreamAt, startTransmitter } from '../../support/transmitter.ts'

const PUSH_URL = 'https://curfew.example.com/sources/idp/events'

/** A replica of a service whose stream is pushed, with a clock of its own. */
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

t.test(
  'with push, a stream that is deleted at the transmitter is created anew, again and again',
  async (t) => {
    const fake = await startTransmitter(t)
    const { clock, service, push } = await startReplica(t, fake)
    for (const id of ['stream-1', 'stream-2', 'stream-3']) {
      const { body } = await fake.until(({ path, body }) => path === '/verify' && body.stream_id === id)
      t.equal((await push('verification', id, { state: body.state })).status, 202)
      t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
      // Until it was looked for again, as all are soon after they were created.
      await passTime(clock, service, 130)
      const startedAt = clock.now()
      fake.streams.length = 0
      await passTimeUntil(clock, service, () => fake.streams.length === 1)
      t.ok(clock.now() - startedAt <= 6 * 60_000, 'within six minutes')
    }
  },
)
