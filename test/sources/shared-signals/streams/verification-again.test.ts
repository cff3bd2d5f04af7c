import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { SSF, setClaims } from '../../../support/shared-signals.ts'
import {
  type Asked,
  acknowledged,
  checkOf,
  type FakeTransmitter,
  keepStreamAt,
  startTransmitter,
} from '../../../support/transmitter.ts'

const isVerification = ({ path }: Asked) => path === '/verify'
const asked = (fake: FakeTransmitter) => fake.asked.filter(isVerification).length

t.test('a verification that does not arrive is requested up to three times', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  t.equal(asked(fake), 1)
  for (const count of [2, 3, 3, 3]) {
    clock.advance(61_000)
    await fake.until(acknowledged(await set()))
    t.equal(asked(fake), count)
  }
})

t.test('a verification that arrives is not requested again', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  const { body } = await fake.until(isVerification)
  const verification = { subject: { format: 'opaque', id: 'stream-1' }, event: { state: body.state } }
  await fake.until(acknowledged(await set({ type: `${SSF}verification`, ...verification })))
  for (const _ of [1, 2]) {
    clock.advance(61_000)
    await fake.until(acknowledged(await set()))
  }
  t.equal(asked(fake), 1)
  t.match(await checkOf(service), { detail: 'verified' })
})

t.test('the Retry-After of a verification request is respected', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.override('/verify', { status: 429, headers: { 'retry-after': '300' } })
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  for (const count of [1, 1, 1, 1, 2]) {
    clock.advance(65_000)
    await fake.until(acknowledged(await set()))
    t.equal(asked(fake), count)
  }
  t.match(await checkOf(service), { status: 'ok' })
})

t.test('closing during a verification request logs nothing', async (t) => {
  const fake = await startTransmitter(t)
  const verifying = Promise.withResolvers<void>()
  fake.before('/verify', () => {
    verifying.resolve()
    return new Promise(() => {})
  })
  const { service } = await keepStreamAt(t, fake)
  await verifying.promise
  await service.app.close()
  t.same(
    service.logLines.filter((line) => JSON.parse(line).level >= 40),
    [],
  )
})

t.test('closing also waits for sources that a reload removed', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  while (fake.issuer.asked('/jwks') === 0) await service.call('GET', '/health/live')
  // The event is accepted only when its new key arrives.
  const keys = Promise.withResolvers<() => void>()
  fake.issuer.answer('/jwks', (_, response) =>
    keys.resolve(() => response.end(JSON.stringify({ keys: [{ ...fake.issuer.key.jwk, kid: 'k2' }] }))),
  )
  const claims = setClaims(fake.issuer.url, clock.now())
  fake.queue(claims.jti, await fake.issuer.sign(claims, { kid: 'k2' }))
  const answerKeys = await keys.promise
  t.equal((await service.configure([])).status, 200)
  let isClosed = false
  const closed = service.app.close().then(() => {
    isClosed = true
  })
  for (let index = 0; index < 100; index += 1) await fetch(`${fake.issuer.url}/time`)
  t.notOk(isClosed)
  answerKeys()
  await closed
})
