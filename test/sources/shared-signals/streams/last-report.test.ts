import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { setClaims } from '../../../support/shared-signals.ts'
import { passPauses, pauseUntil } from '../../../support/stream-time.ts'
import { type Asked, acknowledged, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

const isDeletion = ({ method }: Asked) => method === 'DELETE'

t.test('a stream is not deleted while some of its events must come again', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  while (fake.issuer.asked('/jwks') === 0) await service.call('GET', '/health/live')
  fake.issuer.answer('/jwks', (_, response) => void response.writeHead(500).end())
  const claims = setClaims(fake.issuer.url, clock.now())
  const { jti } = claims
  fake.queue(jti, await fake.issuer.sign(claims, { kid: 'k2' }))
  fake.streams.push(fake.stream('another'))
  await passPauses(clock, 80_000)
  t.notOk(fake.asked.some(isDeletion))
  t.notOk(fake.asked.some(acknowledged(jti)))
  fake.issuer.answerJson('/jwks', { keys: [{ ...fake.issuer.key.jwk, kid: 'k2' }] })
  await pauseUntil(clock, fake, isDeletion)
  t.ok(fake.asked.findIndex(acknowledged(jti)) < fake.asked.findIndex(isDeletion))
  t.ok(fake.asked.some(acknowledged(jti)))
})

for (const failure of [null, { status: 500 }])
  t.test(
    `events are acknowledged before their stream is deleted, ${failure ? 'even if that fails' : 'once'}`,
    async (t) => {
      const clock = fakeClock()
      const fake = await startTransmitter(t)
      const { service, set } = await keepStreamAt(t, fake, { clock })
      await fake.until(({ path }) => path === '/poll')
      fake.streams.push(fake.stream('another'))
      fake.override('/poll', ({ body }) => (body.maxEvents === 0 ? failure : null))
      clock.advance(61_000)
      const jti = await set()
      await fake.until(isDeletion)
      const last = fake.asked.findIndex(({ body }) => body?.maxEvents === 0)
      t.match(fake.asked[last]?.body, { ack: [jti], returnImmediately: true })
      t.ok(last < fake.asked.findIndex(isDeletion))
      t.equal(fake.asked.filter(acknowledged(jti)).length, 1)
      t.equal(
        service.logLines.filter((line) => line.includes('could not acknowledge the last events')).length,
        failure ? 1 : 0,
      )
    },
  )
