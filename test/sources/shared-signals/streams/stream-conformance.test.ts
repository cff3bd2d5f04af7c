import { json } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { issuerKey, sign } from '../../../support/issuer.ts'
import { nothingStored } from '../../../support/problems.ts'
import {
  ADA,
  AUDIENCE,
  CAEP,
  RISC,
  type SetOptions,
  SSF,
  setClaims,
} from '../../../support/shared-signals.ts'
import { pauseUntil } from '../../../support/stream-time.ts'
import {
  checkOf,
  type FakeTransmitter,
  keepStreamAt,
  POLL,
  startTransmitter,
} from '../../../support/transmitter.ts'

// What the modules of the OpenID conformance suite's plan openid-ssf-receiver-test-plan send, unless keep-stream.test.ts or
// polls.test.ts covers it.

const OWN_STREAM = { format: 'opaque', id: 'stream-1' }
const settled = (jti: string) => (asked: { path: string; body: { ack: string[]; setErrs: object } | null }) =>
  asked.path === '/poll' && asked.body !== null && (asked.body.ack.includes(jti) || jti in asked.body.setErrs)

/** A pushed stream that Curfew manages. */
async function startPushed(t: Test, fake: FakeTransmitter) {
  const pushUrl = 'https://curfew.example.com/sources/idp/events'
  const { service } = await keepStreamAt(t, fake, { transmitter: { delivery: 'push', pushUrl } })
  const pushToken = (token: string) =>
    service.call('POST', '/sources/idp/events', {
      body: token,
      headers: { authorization: '', 'content-type': 'application/secevent+jwt' },
    })
  const push = async (different: SetOptions = {}) =>
    pushToken(await fake.issuer.sign(setClaims(fake.issuer.url, Date.now(), different)))
  return { service, push, pushToken }
}

/** Every event of CAEP 1.0 and RISC 1.0, as in the suite's `SsfEvents`. */
const EVENTS = [
  ...[
    'session-revoked',
    'token-claims-change',
    'credential-change',
    'assurance-level-change',
    'device-compliance-change',
    'session-established',
    'session-presented',
    'risk-level-change',
  ].map((name) => `${CAEP}${name}`),
  ...[
    'account-credential-change-required',
    'account-purged',
    'account-disabled',
    'account-enabled',
    'identifier-changed',
    'identifier-recycled',
    'credential-compromise',
    'opt-in',
    'opt-out-initiated',
    'opt-out-cancelled',
    'opt-out-effective',
    'recovery-activated',
    'recovery-information-changed',
    'sessions-revoked',
  ].map((name) => `${RISC}${name}`),
]
const subjectsOf = (iss: string) => [
  ADA,
  { format: 'iss_sub', iss, sub: '00u1' },
  { format: 'complex', user: ADA, session: { format: 'opaque', id: 's1' } },
]

t.test('every event of CAEP and RISC is accepted, with any subject, by push and by poll', async (t) => {
  const fake = await startTransmitter(t)
  const { push } = await startPushed(t, fake)
  const polled = await startTransmitter(t)
  const { set } = await keepStreamAt(t, polled)
  const jtis: [jti: string, name: string][] = []
  for (const type of EVENTS) {
    const event = { event_timestamp: Date.now(), initiating_entity: 'policy', reason_admin: { en: 'x' } }
    for (const subject of subjectsOf(fake.issuer.url))
      t.equal((await push({ type, subject, event })).status, 202, `${type} ${subject.format}`)
    for (const subject of subjectsOf(polled.issuer.url))
      jtis.push([await set({ type, subject, event }), `${type} ${subject.format}, polled`])
  }
  for (const [jti, name] of jtis) {
    const { body } = await polled.until(settled(jti))
    t.ok(body.ack.includes(jti), name)
  }
})

t.test('an unrequested verification is accepted by push, also before the stream is known', async (t) => {
  const fake = await startTransmitter(t)
  const early = Promise.withResolvers<number>()
  const { url } = fake.issuer
  fake.issuer.answer('/streams', async (request, response) => {
    const body = request.method === 'POST' ? ((await json(request)) as object) : null
    // The transmitter sends it before its response to the creation of the stream.
    if (body) early.resolve((await push({ type: `${SSF}verification`, subject: OWN_STREAM })).status)
    const stream = { ...body, stream_id: 'stream-1', iss: url, aud: AUDIENCE }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body ? stream : []))
  })
  const { service, push } = await startPushed(t, fake)
  t.equal(await early.promise, 202)
  await fake.until(({ path }) => path === '/verify')
  t.equal((await push({ type: `${SSF}verification`, subject: OWN_STREAM })).status, 202)
  t.notMatch(await checkOf(service), { detail: 'verified' }, 'without a state, it does not verify the stream')
})

t.test('by push, the verification may arrive after other events, and the status may change', async (t) => {
  const fake = await startTransmitter(t)
  const { service, push } = await startPushed(t, fake)
  const { body } = await fake.until(({ path }) => path === '/verify')
  for (const _ of [1, 2, 3]) t.equal((await push()).status, 202)
  const { state } = body
  t.equal(
    (await push({ type: `${SSF}verification`, subject: OWN_STREAM, event: { state } })).status,
    202,
    'the verification',
  )
  t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
  for (const [status, expected] of [
    ['paused', 'warning'],
    ['enabled', 'ok'],
  ] as const) {
    const event = { status, reason: 'Transmitter maintenance' }
    t.equal((await push({ type: `${SSF}stream-updated`, subject: OWN_STREAM, event })).status, 202, status)
    t.match(await checkOf(service), { status: expected }, status)
  }
  const others = { subject: { format: 'opaque', id: 'stream-2' }, event: { status: 'disabled' } }
  t.equal((await push({ type: `${SSF}stream-updated`, ...others })).status, 202, 'of another stream')
  t.match(await checkOf(service), { status: 'ok' }, 'another stream')
  t.equal((await push()).status, 202, 'the events held back')
})

t.test('four invalid tokens are rejected with their codes, by push and by poll', async (t) => {
  const fake = await startTransmitter(t)
  const { service, pushToken } = await startPushed(t, fake)
  const polling = await startTransmitter(t)
  const clock = fakeClock()
  const polled = await keepStreamAt(t, polling, { clock })
  const stranger = await issuerKey('k1', 'RS256')
  for (const transmitter of [fake, polling]) {
    const claims = (different: SetOptions = {}) => setClaims(transmitter.issuer.url, Date.now(), different)
    const typ = 'secevent+jwt'
    const { sign: signed } = transmitter.issuer
    const table: [
      mode: string,
      claims: { jti: string },
      by: (claims: { jti: string }) => Promise<string>,
      err: string,
    ][] = [
      ['INVALID_SIGNATURE', claims(), (set) => sign(stranger, set, { typ }), 'invalid_key'],
      ['WRONG_ISSUER', claims({ iss: 'https://not-this.example' }), (set) => signed(set), 'invalid_issuer'],
      ['WRONG_AUDIENCE', claims({ aud: 'not-this' }), (set) => signed(set), 'invalid_audience'],
      ['UNKNOWN_KID', claims(), (set) => sign(stranger, set, { typ, kid: 'k9' }), 'invalid_key'],
    ]
    for (const [mode, set, by, err] of table) {
      const token = await by(set)
      if (transmitter === fake) {
        const reply = await pushToken(token)
        t.match(reply, { status: 400, json: { err, description: /./ } }, mode)
        t.match(reply.headers.get('content-type'), /^application\/json/)
      } else {
        polling.queue(set.jti, token)
        // An unknown key may be new, so the event waits for it.
        const { body } = await pauseUntil(clock, polling, settled(set.jti))
        t.match(body, { setErrs: { [set.jti]: { err, description: /./ } } }, `${mode}, polled`)
      }
    }
  }
  await nothingStored(t, service)
  await nothingStored(t, polled.service)
})

t.test('a stream created with another issuer is not used', async (t) => {
  const fake = await startTransmitter(t)
  const { url } = fake.issuer
  const used: string[] = []
  fake.issuer.answer('/streams', async (request, response) => {
    const body = request.method === 'POST' ? ((await json(request)) as { delivery: object }) : null
    const delivery = { method: POLL, endpoint_url: `${url}/poll` }
    const stream = {
      ...body,
      stream_id: 'stream-1',
      iss: `${url}/not-this-transmitter`,
      aud: AUDIENCE,
      delivery,
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body ? stream : []))
  })
  for (const path of ['/poll', '/status', '/verify'])
    fake.issuer.answer(path, (_, response) => {
      used.push(path)
      response.writeHead(204).end()
    })
  const { service } = await keepStreamAt(t, fake)
  for (;;) {
    const { detail } = (await checkOf(service)) ?? {}
    if (used.length > 0 || /another issuer than the entry/.test(detail ?? '')) break
  }
  t.same(used, [])
})

t.test(
  'each requested event of the CAEP interoperability profile ends sessions, in each subject format',
  async (t) => {
    const fake = await startTransmitter(t)
    const { service, set } = await keepStreamAt(t, fake)
    await fake.until(({ path }) => path === '/verify')
    const of = (wanted: string, method: string) =>
      fake.asked.some((asked) => asked.path === wanted && asked.method === method)
    t.ok(of('/streams', 'GET') && of('/streams', 'POST'), 'the stream is read, and created')
    t.ok(of('/status', 'GET'), 'its status is read')
    t.ok(
      fake.streams[0]?.events_requested.includes(`${CAEP}session-revoked`),
      'one of its events is asked for',
    )
    for (const [index, subject] of subjectsOf(fake.issuer.url).entries()) {
      const jti = await set({ subject, event: { initiating_entity: 'admin' } })
      await fake.until(settled(jti))
      t.match(
        (await service.stored())[0],
        { user: index === 1 ? { subject: '00u1' } : { email: ADA.email } },
        subject.format,
      )
    }
  },
)
