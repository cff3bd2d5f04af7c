import t from 'tap'
import { ADA, CAEP, SSF } from '../../../support/shared-signals.ts'
import {
  acknowledged,
  checkOf,
  keepStreamAt,
  POLL,
  PUSH,
  startTransmitter,
} from '../../../support/transmitter.ts'

t.test('the stream is created and verified, and events are polled and acknowledged', async (t) => {
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
  const [item] = await service.stored()
  t.match(item, { source: 'idp', user: { email: ADA.email } }, 'acknowledged events are durable')
  t.match(await service.settled(item.id), { verified: true })
  t.match(await checkOf(service), { status: 'ok' })
})

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
    const revocations = (await service.stored()).length
    const same = { jti: before[0] }
    const count = fake.asked.filter(acknowledged(String(before[0]))).length
    await set(same)
    await fake.until(
      (asked) =>
        acknowledged(String(before[0]))(asked) &&
        fake.asked.filter(acknowledged(String(before[0]))).length > count,
    )
    t.equal((await service.stored()).length, revocations, 'nothing is done twice')
  },
)

t.test('an existing stream is used', async (t) => {
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

t.test('with push, the stream is created with the address and header of the entry', async (t) => {
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
      }),
      headers: { authorization: 'Bearer agreed', 'content-type': 'application/secevent+jwt' },
    })
  t.match(await push('made-up'), { status: 400, json: { err: 'invalid_state' } })
  t.match(await push(asked.body.state, 'stream-2'), { status: 400, json: { err: 'invalid_request' } })
  t.equal((await push(asked.body.state)).status, 202)
  t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
  t.equal(fake.asked.filter(({ path }) => path === '/poll').length, 0)
})

t.test(
  'a paused stream is a warning in readiness, and its events are accepted when it continues',
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
    t.ok(service.logLines.some((line) => line.includes('event stream stopped')))
  },
)
