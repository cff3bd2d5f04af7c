import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { basicAuthorization } from '../../../../src/sources/shared-signals/streams/client-credentials.ts'
import { isOwnState, stateKey } from '../../../../src/sources/shared-signals/streams/verification-state.ts'
import { fakeClock } from '../../../support/clock.ts'
import type { Service } from '../../../support/service.ts'
import { SSF } from '../../../support/shared-signals.ts'
import { startTokenEndpoint } from '../../../support/token-endpoint.ts'
import { acknowledged, checkOf, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

const CLIENT = { clientId: 'curfew:1', clientSecret: 'shh & +ü', scope: 'ssf.manage ssf.read' }
const LIFETIME_S = 600

/** A transmitter that requires access tokens of an authorization server, and the service as its receiver. */
async function setUp(
  t: Test,
  prepare: (endpoint: Awaited<ReturnType<typeof startTokenEndpoint>>) => void = () => {},
) {
  const clock = fakeClock()
  const endpoint = await startTokenEndpoint(t, { lifetimeS: LIFETIME_S, now: clock.now })
  prepare(endpoint)
  const fake = await startTransmitter(t, { isAuthorized: endpoint.isGood })
  const transmitter = { oauth: { ...CLIENT, tokenUrl: endpoint.url } }
  return {
    clock,
    endpoint,
    fake,
    ...(await keepStreamAt(t, fake, { clock, transmitter, random: () => 0.5 })),
  }
}

const answered =
  (status: number, body: unknown, headers = {}) =>
  (_: unknown, response: ServerResponse) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(body))

async function untilProblem({ call }: Service, pattern: RegExp): Promise<string> {
  for (;;) {
    const { detail = '' } = (await checkOf({ call } as Service)) ?? {}
    if (pattern.test(detail)) return detail
  }
}

t.test('a client gets an access token, and uses it for the transmitter', async (t) => {
  const { endpoint, fake, service, set } = await setUp(t)
  const { body } = await fake.until(({ path }) => path === '/verify')
  t.ok(isOwnState(body.state, 'stream-1', await stateKey(CLIENT.clientSecret, fake.issuer.url)))
  const verification = { subject: { format: 'opaque', id: 'stream-1' }, event: { state: body.state } }
  await fake.until(acknowledged(await set({ type: `${SSF}verification`, ...verification })))
  t.match(await checkOf(service), { status: 'ok', detail: 'verified' })
  t.same(endpoint.requests, [
    {
      method: 'POST',
      authorization: `Basic ${Buffer.from('curfew%3A1:shh+%26+%2B%C3%BC').toString('base64')}`,
      contentType: 'application/x-www-form-urlencoded',
      form: { grant_type: 'client_credentials', scope: CLIENT.scope },
    },
  ])
  t.same(new Set(fake.asked.map(({ authorization }) => authorization)), new Set(['Bearer access-token-1']))
  t.same(fake.refused, [])
  t.notMatch(service.logLines.join(''), /shh|access-token/)
})

t.test('an access token is renewed before it expires, and not used afterwards', async (t) => {
  const { clock, endpoint, fake, set } = await setUp(t)
  await fake.until(acknowledged(await set()))
  clock.advance(0.95 * LIFETIME_S * 1_000)
  const isAskedWith = (token: string) =>
    fake.asked.some(({ authorization }) => authorization === `Bearer ${token}`)
  while (!isAskedWith('access-token-2')) await fake.until(acknowledged(await set()))
  t.equal(endpoint.requests.length, 2)
  clock.advance(LIFETIME_S * 1_000)
  await fake.until(acknowledged(await set()))
  t.ok(isAskedWith('access-token-3'))
  t.equal(endpoint.requests.length, 3)
  t.same(fake.refused, [])
})

t.test('an access token that is rejected early is replaced without a warning', async (t) => {
  const { endpoint, fake, service, set } = await setUp(t)
  await fake.until(acknowledged(await set()))
  endpoint.revoke()
  await fake.until(acknowledged(await set()))
  t.equal(endpoint.requests.length, 2)
  t.equal(fake.refused.length, 1)
  t.match(await checkOf(service), { status: 'ok' })
  t.notOk(service.logLines.some((line) => line.includes('event stream failed')))
})

t.test('if the next access token is rejected, too, the requests stop', async (t) => {
  const { endpoint, fake, service } = await setUp(t, (endpoint) => {
    endpoint.answer(answered(200, { access_token: 'not-to-be-seen', token_type: 'Bearer', expires_in: 60 }))
  })
  await untilProblem(service, /the status 401/)
  t.equal(fake.refused.length, 2)
  t.equal(endpoint.requests.length, 2)
  t.notMatch(service.logLines.join(''), /shh|not-to-be-seen/)
})

t.test('a rejected client is a problem, which ends when the client is accepted', async (t) => {
  const { clock, endpoint, fake, service } = await setUp(t, (endpoint) => {
    endpoint.answer(answered(401, { error: 'invalid_client', error_description: 'not-to-be-seen' }))
  })
  t.notMatch(await untilProblem(service, /token endpoint returned the status 401/), /127|not-to-be-seen/)
  t.same([...fake.asked, ...fake.refused], [], 'no request is sent without a token')
  t.notMatch(service.logLines.join(''), /shh|not-to-be-seen/)
  endpoint.answer(null)
  clock.advance(60_000)
  await fake.until(({ path }) => path === '/poll')
  t.match(await checkOf(service), { name: 'stream:idp' })
})

t.test('a token endpoint with an invalid response or a redirect provides no token', async (t) => {
  const elsewhere = await startTokenEndpoint(t, { lifetimeS: LIFETIME_S, now: Date.now })
  const token = { access_token: 'a', token_type: 'Bearer' }
  for (const [handler, problem] of [
    [answered(307, {}, { location: elsewhere.url }), /token endpoint returned the status 307/],
    [answered(503, {}), /token endpoint returned the status 503/],
    [answered(200, { ...token, token_type: 'DPoP' }), /expected format/],
    [answered(200, { access_token: 'a' }), /expected format/],
    [answered(200, { ...token, access_token: 'a\r\nb' }), /expected format/],
    [answered(200, { ...token, more: 'x'.repeat(2 * 1024 * 1024) }), /too large/],
  ] as const) {
    const { fake, service } = await setUp(t, (endpoint) => endpoint.answer(handler))
    await untilProblem(service, problem)
    t.same([...fake.asked, ...fake.refused], [])
  }
  t.same(elsewhere.requests, [])
})

t.test('id and secret are encoded before they are joined', async (t) => {
  const given = Buffer.from(basicAuthorization('a:b', 'c d%').replace('Basic ', ''), 'base64').toString()
  t.equal(given, 'a%3Ab:c+d%25')
})
