import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { startIssuer } from '../../support/issuer.ts'
import { usersOf } from '../../support/logout-service.ts'
import { CAEP, SSF } from '../../support/shared-signals.ts'
import { startWithSources } from '../../support/source-service.ts'
import { passPauses } from '../../support/stream-time.ts'
import { checkOf } from '../../support/transmitter.ts'

const CONFIGURATION = '.well-known/ssf-configuration/portal'
const STREAM = '/application/ssf/portal/stream/'
const PUSH = 'https://schemas.openid.net/secevent/risc/delivery-method/push'
const PUSH_URL = 'https://curfew.example.com/sources/idp/events'

/** authentik's SSF provider (authentik/enterprise/providers/ssf): its issuer is the address of its configuration. */
async function startAuthentik(t: Test) {
  const server = await startIssuer(t, { wellKnown: CONFIGURATION.slice('.well-known/'.length) })
  const issuer = `${server.url}/${CONFIGURATION}`
  const created: { stream_id: string }[] = []
  const methods: string[] = []
  server.answerJson(server.discovery, {
    spec_version: '1_0-ID2',
    issuer,
    jwks_uri: server.jwksUri,
    configuration_endpoint: `${server.url}${STREAM}`,
    delivery_methods_supported: [PUSH],
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
  })
  server.answer(STREAM, async (request: IncomingMessage, response) => {
    methods.push(String(request.method))
    if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST, DELETE' }).end()
    const { delivery, events_requested } = (await json(request)) as Record<string, unknown>
    const stream = { stream_id: randomUUID(), iss: issuer, aud: [], delivery, events_requested }
    created.push({ ...stream, aud: ['curfew'] } as never)
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(created.at(-1)))
  })
  /** A token as its encoder makes it: PyJWT adds `typ: JWT`. */
  const encode = (type: string, event: object, more: object = {}) => {
    const iat = Math.floor(Date.now() / 1000)
    const payload = { jti: randomUUID().replaceAll('-', ''), aud: ['curfew'], iat, iss: issuer }
    return server.sign({ ...payload, events: { [type]: event }, ...more }, { typ: 'JWT' })
  }
  const entry = { name: 'idp', kind: 'shared-signals', issuer, audience: 'curfew' }
  return { server, issuer, entry, encode, created, methods }
}

const subject = {
  session: { format: 'opaque', id: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' },
  user: { format: 'email', email: 'ada@example.com' },
}

t.test('events that authentik pushes are accepted, with its keys found by its issuer', async (t) => {
  const { entry, encode } = await startAuthentik(t)
  const service = await startWithSources(t, [entry])
  const push = async (token: string) => {
    const headers = { authorization: '', 'content-type': 'application/secevent+jwt' }
    return (await service.call('POST', '/sources/idp/events', { body: token, headers })).status
  }
  const stream = { sub_id: { format: 'opaque', id: randomUUID() } }
  t.equal(await push(await encode(`${SSF}verification`, { state: null }, stream)), 202)
  t.equal(
    await push(await encode(`${CAEP}session-revoked`, { subject, initiating_entity: 'user' }, { txn: 't1' })),
    202,
  )
  t.equal(await push(await encode(`${CAEP}credential-change`, { subject, change_type: 'update' })), 202)
  t.same(await usersOf(service), [{ email: 'ada@example.com' }], 'a changed credential ends no session')
  t.match((await service.stored())[0], { reason: 'logout', source: 'idp' })
})

t.test('a stream at an endpoint that lists none (405) is created once, and kept', async (t) => {
  const { entry, created, methods } = await startAuthentik(t)
  const clock = fakeClock()
  const transmitter = { delivery: 'push', pushUrl: PUSH_URL, token: 'token' }
  const service = await startWithSources(t, [{ ...entry, transmitter }], { clock })
  await passPauses(clock, 20 * 60_000)
  t.equal(created.length, 1)
  t.match(created[0], { delivery: { method: PUSH, endpoint_url: PUSH_URL } })
  t.ok(methods.filter((method) => method === 'GET').length > 1, 'looked for again')
  t.ok(service.logLines.some((line) => line.includes('set transmitter.streamId')))
  t.match(await checkOf(service), { status: 'ok' })
})

t.test('a stream with a configured id is used although the endpoint does not show it', async (t) => {
  const { entry, created } = await startAuthentik(t)
  const clock = fakeClock()
  const transmitter = { delivery: 'push', pushUrl: PUSH_URL, token: 'token', streamId: 'stream-1' }
  const service = await startWithSources(t, [{ ...entry, transmitter }], { clock })
  await passPauses(clock, 10 * 60_000)
  t.same(created, [])
  t.match(await checkOf(service), { status: 'ok' })
})

t.test('polling is reported as unavailable, with the status of a missing document', async (t) => {
  const { server, entry } = await startAuthentik(t)
  const clock = fakeClock()
  const transmitter = { delivery: 'poll', token: 'token', streamId: 'stream-1' }
  const service = await startWithSources(t, [{ ...entry, transmitter }], { clock })
  await passPauses(clock, 5_000)
  t.match(await checkOf(service), { status: 'warning', detail: /cannot be polled/ })
  server.answer(server.discovery, (_, response) => void response.writeHead(404).end())
  await passPauses(clock, 60_000)
  t.match(await checkOf(service), { status: 'warning', detail: /the status 404 \(read configuration\)/ })
})
