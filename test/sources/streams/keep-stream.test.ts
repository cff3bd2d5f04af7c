import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { nothingStored } from '../../support/problems.ts'
import type { Service } from '../../support/service.ts'
import { ADA, CAEP, SSF, setClaims } from '../../support/shared-signals.ts'
import {
  acknowledged,
  checkOf,
  keepStreamAt,
  POLL,
  PUSH,
  refused,
  startTransmitter,
} from '../../support/transmitter.ts'

/** A loop without a pause would have polled about as often by then. */
async function timeForManyPolls({ call }: Service): Promise<void> {
  for (let index = 0; index < 100; index += 1) await call('GET', '/health/live')
}

t.test(
  'the stream is created, its verification asked for, and events are polled and acknowledged',
  async (t) => {
    const fake = await startTransmitter(t)
    const { service, set } = await keepStreamAt(t, fake)
    const created = await fake.until(({ path, method }) => path === '/streams' && method === 'POST')
    t.match(created.body, {
      delivery: { method: POLL },
      description: 'Curfew (idp)',
      events_requested: [/./],
    })
    const { body: verification } = await fake.until(({ path }) => path === '/verify')
    t.equal(verification.stream_id, 'stream-1')
    service.userWithTokens(1, { email: ADA.email })
    const jti = await set()
    await fake.until(acknowledged(jti))
    const [item] = (await service.call('GET', '/revocations')).json.items
    t.match(item, { source: 'idp', user: { email: ADA.email } }, 'what is acknowledged is durable')
    t.match(await service.ended(item.id), { verified: true })
    t.match(await checkOf(service), { status: 'ok' })
  },
)

t.test(
  'events before the verification, the verification and a repetition are all acknowledged',
  async (t) => {
    const fake = await startTransmitter(t)
    const { service, set } = await keepStreamAt(t, fake)
    const { body } = await fake.until(({ path }) => path === '/verify')
    const before = [await set(), await set({ type: `${CAEP}credential-change` }), await set()]
    const verification = await set({
      type: `${SSF}verification`,
      subject: { format: 'opaque', id: 'stream-1' },
      event: { state: body.state },
    })
    for (const jti of [...before, verification]) await fake.until(acknowledged(jti))
    t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
    const items = async () => (await service.call('GET', '/revocations')).json.items.length
    const revocations = await items()
    const same = { jti: before[0] }
    const count = fake.asked.filter(acknowledged(String(before[0]))).length
    await set(same)
    await fake.until(
      (asked) =>
        acknowledged(String(before[0]))(asked) &&
        fake.asked.filter(acknowledged(String(before[0]))).length > count,
    )
    t.equal(await items(), revocations, 'nothing is done twice')
  },
)

t.test('a stream that is there already is used', async (t) => {
  const fake = await startTransmitter(t)
  fake.streams.push(
    fake.stream('theirs', { description: 'of somebody else' }),
    fake.stream('zzz'),
    fake.stream('ours'),
  )
  await keepStreamAt(t, fake)
  t.equal((await fake.until(({ path }) => path === '/verify')).body.stream_id, 'ours')
  t.equal(fake.streams.length, 3, 'none is created, and none deleted')
})

t.test(
  'with push, the stream is created for the address that the entry names, with the header that was agreed',
  async (t) => {
    const fake = await startTransmitter(t)
    const pushUrl = 'https://curfew.example.com/sources/idp/events'
    const { service } = await keepStreamAt(t, fake, {
      transmitter: { delivery: 'push', pushUrl },
      source: { pushAuthorization: 'Bearer agreed', events: ['urn:e'] },
    })
    const { body } = await fake.until(({ path, method }) => path === '/streams' && method === 'POST')
    t.same(body.delivery, { method: PUSH, endpoint_url: pushUrl, authorization_header: 'Bearer agreed' })
    t.same(body.events_requested, ['urn:e'])
    const asked = await fake.until(({ path }) => path === '/verify')
    const push = async (state: string, id = 'stream-1') =>
      service.call('POST', '/sources/idp/events', {
        body: await fake.issuer.sign({
          iss: fake.issuer.url,
          aud: 'https://curfew.example.com',
          jti: `v-${state}-${id}`,
          iat: Math.floor(Date.now() / 1000),
          sub_id: { format: 'opaque', id },
          events: { [`${SSF}verification`]: { state } },
        } as never),
        headers: { authorization: 'Bearer agreed', 'content-type': 'application/secevent+jwt' },
      })
    t.match(await push('made-up'), { status: 400, json: { err: 'invalid_state' } })
    t.match(await push(asked.body.state, 'stream-2'), { status: 400, json: { err: 'invalid_request' } })
    t.equal((await push(asked.body.state)).status, 202)
    t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
    t.equal(fake.asked.filter(({ path }) => path === '/poll').length, 0)
  },
)

t.test('tokens that are not good are reported, and the others acknowledged', async (t) => {
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
  } as never)
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
  t.match(
    (await service.call('GET', '/metrics')).text,
    `curfew_signals_total{source="idp",result="rejected"} ${table.length}`,
  )
})

t.test(
  'a stream that the transmitter pauses shows in health, and its events are taken when it goes on',
  async (t) => {
    const fake = await startTransmitter(t)
    const { service, set } = await keepStreamAt(t, fake)
    const update = async (status: string) =>
      fake.until(
        acknowledged(
          await set({
            type: `${SSF}stream-updated`,
            subject: { format: 'opaque', id: 'stream-1' },
            event: { status, reason: 'because', unknown: 1 },
          }),
        ),
      )
    for (const status of ['paused', 'disabled']) {
      await update(status)
      const ready = await service.call('GET', '/health/ready')
      t.equal(ready.status, 200)
      t.match(await checkOf(service), { status: 'warning', detail: new RegExp(status) })
    }
    await update('enabled')
    t.match(await checkOf(service), { status: 'ok' })
    await fake.until(acknowledged(await set()))
    t.ok(service.logLines.some((line) => line.includes('has stopped the event stream')))
  },
)

t.test('nothing is acknowledged that could not be made durable', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  // Without keys nothing can be proven, nor refused.
  fake.issuer.answer('/jwks', (_, response) => void response.writeHead(500).end())
  const polls = () => fake.asked.filter(({ path }) => path === '/poll').length
  const untilTrue = async (isSo: () => boolean) => {
    while (!isSo()) {
      clock.advance(1_000)
      // As long as a poll takes: by the same clock it is not waited for without end.
      await service.call('GET', '/health/live')
    }
  }
  const jti = await set()
  await untilTrue(() => polls() >= 4)
  t.notOk(fake.asked.some(acknowledged(jti)))
  t.notOk(fake.asked.some(refused(jti)))
  t.ok(service.logLines.some((line) => line.includes('cannot be taken now')))
  fake.issuer.answerJson('/jwks', { keys: [fake.issuer.key.publicJwk] })
  await untilTrue(() => fake.asked.some(acknowledged(jti)))
  t.equal((await service.call('GET', '/revocations')).json.items.length, 1)
})

t.test(
  'of more events than were asked for the first ones are taken, and the others when they come again',
  async (t) => {
    const fake = await startTransmitter(t, { eventsAtOnce: 1_000 })
    const jtis = Array.from({ length: 60 }, (_, index) => `many-${index}`)
    for (const jti of jtis) {
      const claims = setClaims(fake.issuer.url, Date.now(), { jti, type: `${CAEP}credential-change` })
      fake.queue(jti, await fake.issuer.sign(claims as never))
    }
    await keepStreamAt(t, fake)
    for (const jti of jtis) await fake.until(acknowledged(jti))
    const reports = fake.asked.filter(({ path }) => path === '/poll').map(({ body }) => body.ack.length)
    t.same(reports.slice(0, 3), [0, 50, 10])
  },
)

t.test('what is no token at all is refused by its name, and the others are taken', async (t) => {
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

t.test('a transmitter that promises more and sends nothing is not asked without end', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.override('/poll', { status: 200, body: { sets: {}, moreAvailable: true } })
  const { service } = await keepStreamAt(t, fake, { clock })
  await fake.until(({ path }) => path === '/poll')
  await timeForManyPolls(service)
  t.equal(fake.asked.filter(({ path }) => path === '/poll').length, 1)
})

t.test('a transmitter that sends the same again whatever it is told is not asked without end', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  fake.override('/poll', { status: 200, body: { sets: { same: 'no token' }, moreAvailable: true } })
  const { service } = await keepStreamAt(t, fake, { clock })
  await fake.until(refused('same'))
  await timeForManyPolls(service)
  t.equal(fake.asked.filter(({ path }) => path === '/poll').length, 2)
})

t.test('a source that a reload takes away is polled no more, and one that stays goes on', async (t) => {
  const fake = await startTransmitter(t)
  const { service, file, entry, set } = await keepStreamAt(t, fake)
  await fake.until(acknowledged(await set()))
  file.write({ sources: [entry, { ...entry, name: 'more', transmitter: undefined }] })
  t.equal((await service.call('POST', '/config/reload')).status, 200)
  await fake.until(acknowledged(await set()))
  t.equal(fake.asked.filter(({ path }) => path === '/verify').length, 1, 'the same stream goes on')
  file.write({ sources: [] })
  await service.call('POST', '/config/reload')
  t.equal(await checkOf(service), undefined)
})
