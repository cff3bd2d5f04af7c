import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { SSF, setClaims } from '../../../support/shared-signals.ts'
import { acknowledged, checkOf, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

t.test('a poll that times out is repeated with the same report', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  const first = await set()
  await fake.until(acknowledged(first))
  const polls = () => fake.asked.filter(acknowledged(first)).length
  // The pending poll contains the report.
  for (const count of [2, 3]) {
    clock.advance(90_000)
    while (polls() < count) await service.call('GET', '/health/live')
    t.match(await checkOf(service), { status: 'ok' })
  }
  await fake.until(acknowledged(await set()))
  t.notOk(service.logLines.some((line) => line.includes('event stream failed')))
})

t.test('a poll response of several MiB is accepted, and a larger one is a problem', async (t) => {
  const fake = await startTransmitter(t, { eventsAtOnce: 1_000 })
  const filler = 'x'.repeat(11_000)
  for (let index = 0; index < 100; index += 1) {
    const set = setClaims(fake.issuer.url, Date.now(), { type: `${SSF}verification`, event: { filler } })
    fake.queue(set.jti, await fake.issuer.sign(set as never))
  }
  const { service, set } = await keepStreamAt(t, fake)
  await fake.until(({ path, body }) => path === '/poll' && body.ack.length === 50)
  await fake.until(acknowledged(await set()))
  const sets = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`large-${index}`, filler]))
  fake.override('/poll', { status: 200, body: { sets } })
  fake.queue('x', '')
  for (;;) {
    const { detail = '' } = await checkOf(service)
    if (/too large/.test(detail)) break
  }
})

t.test('an event with the jti __proto__ is reported once', async (t) => {
  const fake = await startTransmitter(t)
  const { set } = await keepStreamAt(t, fake)
  fake.queue('__proto__', 'no token')
  fake.queue('constructor', 'no token')
  const good = await set()
  await fake.until(acknowledged(good))
  await fake.until(({ body }) => Object.hasOwn(body?.setErrs ?? {}, 'constructor'))
  const { body } = await fake.until(({ body }) => Object.hasOwn(body?.setErrs ?? {}, '__proto__'))
  t.same(Object.entries(body.setErrs).find(([jti]) => jti === '__proto__')?.[1], {
    err: 'invalid_request',
    description: 'The token is not a signed JWT.',
  })
})

t.test('an unreadable stream in the list does not affect the others', async (t) => {
  const fake = await startTransmitter(t)
  const { service, set } = await (async () => {
    fake.streams.push({ stream_id: 5 }, null, fake.stream('ours'), 'x')
    return keepStreamAt(t, fake)
  })()
  await fake.until(acknowledged(await set()))
  t.notOk(fake.asked.some(({ path, method }) => path === '/streams' && method === 'POST'))
  t.match(await checkOf(service), { status: 'ok' })
})

t.test('a response whose body is not needed may be HTML', async (t) => {
  const fake = await startTransmitter(t)
  fake.issuer.answer('/verify', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Thank you')
    page.resolve()
  })
  const page = Promise.withResolvers<void>()
  const { service, set } = await keepStreamAt(t, fake)
  await page.promise
  await fake.until(acknowledged(await set()))
  t.notOk(service.logLines.some((line) => line.includes('could not request verification')))
})
