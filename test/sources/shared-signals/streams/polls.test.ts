import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { nothingStored } from '../../../support/problems.ts'
import { rejectionCounts, rejectionLines } from '../../../support/rejections.ts'
import { ADA, CAEP, SSF, setClaims } from '../../../support/shared-signals.ts'
import { nextPause, pauseUntil } from '../../../support/stream-time.ts'
import { acknowledged, keepStreamAt, refused, startTransmitter } from '../../../support/transmitter.ts'

t.test('invalid tokens are reported, and the others acknowledged', async (t) => {
  const fake = await startTransmitter(t)
  const elsewhere = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake)
  const forged = await elsewhere.issuer.sign({
    iss: fake.issuer.url,
    aud: 'https://curfew.example.com',
    jti: 'forged',
    iat: Math.floor(Date.now() / 1000),
    events: { [`${CAEP}session-revoked`]: {} },
    sub_id: ADA,
  })
  fake.queue('forged', forged)
  fake.queue('text', 'no token')
  const table: [jti: string, err: string][] = [
    ['forged', 'invalid_key'],
    ['text', 'invalid_request'],
    [await set({ iss: 'https://evil.example.com' }), 'invalid_issuer'],
    [await set({ aud: 'other' }), 'invalid_audience'],
    [await set({ subject: null }), 'invalid_request'],
    [
      await set({
        type: `${SSF}verification`,
        subject: { format: 'opaque', id: 'stream-1' },
        event: { state: 'made-up' },
      }),
      'invalid_state',
    ],
    [
      await set({ type: `${SSF}verification`, subject: { format: 'opaque', id: 'stream-9' } }),
      'invalid_request',
    ],
  ]
  const good = await set({ type: `${SSF}verification`, subject: { format: 'opaque', id: 'stream-1' } })
  for (const [jti, err] of table) {
    const { body } = await fake.until(refused(jti))
    t.match(body.setErrs[jti], { err, description: /./ }, jti)
    t.notOk(body.ack.includes(jti))
  }
  await fake.until(acknowledged(good))
  await nothingStored(t, service)
  t.match(await service.counts(), { 'idp rejected': table.length })
  t.match(await rejectionCounts(service), {
    'idp CURFEW_TOKEN_SIGNATURE_INVALID': 1,
    'idp CURFEW_TOKEN_ISSUER_WRONG': 1,
    'idp CURFEW_TOKEN_AUDIENCE_WRONG': 1,
    'idp CURFEW_STREAM_MISMATCH': 1,
  })
  const lines = rejectionLines(service)
  const wrongAudience = lines.find(({ code }) => code === 'CURFEW_TOKEN_AUDIENCE_WRONG')
  t.match(wrongAudience, { source: 'idp', route: 'poll', events: 1, address: undefined })
  t.match(wrongAudience, { expected: { aud: 'https://curfew.example.com' }, received: { aud: 'other' } })
  t.equal(new Set(lines.map(({ code }) => code)).size, lines.length, 'one line for each reason')
  const { json } = await service.call('GET', '/health/ready')
  t.match(json.sources, [{ name: 'idp', lastAcceptedAt: /Z$/, lastRejected: { at: /Z$/, code: /^CURFEW_/ } }])
})

t.test('an event is acknowledged only if it is durable', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  while (fake.issuer.asked('/jwks') === 0) await service.call('GET', '/health/live')
  // Without keys, events can be neither verified nor rejected.
  fake.issuer.answer('/jwks', (_, response) => void response.writeHead(500).end())
  const polls = () => fake.asked.filter(({ path }) => path === '/poll').length
  const claims = setClaims(fake.issuer.url, clock.now())
  const { jti } = claims
  fake.queue(jti, await fake.issuer.sign(claims, { kid: 'k2' }))
  await pauseUntil(clock, fake, () => polls() >= 4)
  t.notOk(fake.asked.some(acknowledged(jti)))
  t.notOk(fake.asked.some(refused(jti)))
  t.ok(service.logLines.some((line) => line.includes('could not take security events')))
  fake.issuer.keys = [{ ...fake.issuer.key.jwk, kid: 'k2' }]
  fake.issuer.answer('/jwks', null)
  await pauseUntil(clock, fake, acknowledged(jti))
  t.equal((await service.stored()).length, 1)
})

t.test('events above the requested maximum are taken when they come again', async (t) => {
  const fake = await startTransmitter(t, { eventsAtOnce: 1_000 })
  const jtis = Array.from({ length: 60 }, (_, index) => `many-${index}`)
  for (const jti of jtis) {
    const claims = setClaims(fake.issuer.url, Date.now(), { jti, type: `${CAEP}credential-change` })
    fake.queue(jti, await fake.issuer.sign(claims))
  }
  await keepStreamAt(t, fake)
  for (const jti of jtis) await fake.until(acknowledged(jti))
  const reports = fake.asked.filter(({ path }) => path === '/poll').map(({ body }) => body.ack.length)
  t.same(reports.slice(0, 3), [0, 50, 10])
})

t.test('a value that is not a token is rejected by its jti, and the others are accepted', async (t) => {
  const fake = await startTransmitter(t)
  const { set } = await keepStreamAt(t, fake)
  const long = 'j'.repeat(300)
  for (const jti of ['number', 'object', long]) fake.queue(jti, (jti === 'number' ? 5 : {}) as string)
  const good = await set()
  const { body } = await fake.until(({ path, body }) => path === '/poll' && body.ack.includes(good))
  const refused = fake.asked.flatMap(({ body }) => Object.entries(body?.setErrs ?? {}))
  t.same(new Set(refused.map(([jti]) => jti)), new Set(['number', 'object', long]))
  for (const [, error] of refused) t.match(error, { err: 'invalid_request' })
  t.notHas(body.setErrs, { [good]: Object })
})

t.test('a transmitter that reports more events but sends none is polled with pauses', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.override('/poll', { status: 200, body: { sets: {}, moreAvailable: true } })
  await keepStreamAt(t, fake, { clock })
  t.equal(await nextPause(clock), 5_000)
  t.equal(fake.asked.filter(({ path }) => path === '/poll').length, 1)
})

t.test('a transmitter that repeats reported events is polled with pauses', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.override('/poll', { status: 200, body: { sets: { same: 'no token' }, moreAvailable: true } })
  await keepStreamAt(t, fake, { clock })
  t.equal(await nextPause(clock), 5_000)
  t.equal(fake.asked.filter(({ path }) => path === '/poll').length, 2)
  t.ok(fake.asked.some(refused('same')))
})
