import { createServer, type IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import { until } from '../support/events.ts'
import { listen } from '../support/listen.ts'
import { API_KEY, request, settledAt, WEBHOOK_SECRET } from '../support/service.ts'
import { atLeast, named, setUpTracing, sole } from './support.ts'

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'
const HEADERS = {
  traceparent: `00-${TRACE_ID}-${CALLER}-01`,
  tracestate: 'vendor=of-the-vendor',
  baggage: 'a=of-baggage',
}
const EMAIL = 'ann.private@example.com'

t.test('one trace leads from the signal to the final proof, also through a restart', async (t) => {
  const { collector, sandbox, start, userWithTokens } = await setUpTracing(t)
  const userId = userWithTokens(3, EMAIL)
  const tokens = sandbox.tenant.tokensOf(userId).map(({ id }) => id)
  const service = await start()
  const { json } = await request(service.url, 'POST', '/logout-hook', {
    body: { email: EMAIL },
    headers: HEADERS,
  })
  await collector.until(atLeast(1, 'revoke revocations'))
  t.equal(await service.end('SIGTERM'), 0)
  const restarted = await start()
  t.match((await settledAt(restarted.url, json.id)).json, { status: 'completed', verified: true })
  t.equal(await restarted.end('SIGTERM'), 0)

  const { spans } = collector
  t.same(new Set(spans.map(({ service }) => service)), new Set(['curfew']))
  const server = sole(spans, 'POST /logout-hook')
  const accept = sole(spans, 'accept revocations')
  const revoke = sole(spans, 'revoke revocations')
  // A listing that turns out to be early is repeated.
  const confirmations = named(spans, 'confirm revocations')
  t.match(server, { traceId: TRACE_ID, parentSpanId: CALLER, kind: 2, statusCode: 0 })
  t.same(server.attributes, {
    'http.request.method': 'POST',
    'http.route': '/logout-hook',
    'http.response.status_code': 202,
    'curfew.sender': 'api-key API_KEYS[0]',
  })
  t.match(accept, { traceId: TRACE_ID, parentSpanId: server.spanId, kind: 4 })
  t.match(accept.attributes, { 'messaging.message.id': json.id, 'curfew.status': 'queued' })
  t.match(revoke, { traceId: TRACE_ID, parentSpanId: accept.spanId, kind: 5 })
  t.match(revoke.attributes, {
    'messaging.message.id': json.id,
    'curfew.attempt': 1,
    'curfew.tokens.revoked': 3,
  })
  for (const confirm of confirmations)
    t.match(confirm, { traceId: TRACE_ID, parentSpanId: accept.spanId, kind: 5 })
  const confirm = confirmations.at(-1)
  t.match(confirm?.attributes, { 'curfew.status': 'completed', 'curfew.verified': true })
  const calls = spans.filter(({ kind }) => kind === 3)
  t.same(
    named(calls, 'DELETE /api/v1/oauth-tokens/{tokenId}').map((call) => call.parentSpanId),
    [revoke.spanId, revoke.spanId, revoke.spanId],
  )
  const listings = named(calls, 'GET /api/v1/oauth-tokens')
  t.ok(listings.some(({ parentSpanId }) => parentSpanId === revoke.spanId))
  t.ok(listings.some(({ parentSpanId }) => parentSpanId === confirm?.spanId))
  t.ok(calls.every(({ traceId }) => traceId === TRACE_ID))

  const sent = collector.text()
  t.match(sent, 'messaging.message.id', 'the text contains attributes')
  const secrets = [
    EMAIL,
    'private',
    userId,
    ...tokens,
    API_KEY,
    WEBHOOK_SECRET,
    'of-the-vendor',
    'of-baggage',
  ]
  for (const secret of secrets) t.notOk(sent.includes(secret), `no ${secret}`)
  t.equal(spans.filter(({ events }) => events > 0).length, 0)
  t.equal(spans.filter(({ traceState }) => traceState !== '').length, 0)
  t.equal(collector.requests.filter(({ path }) => path !== '/v1/traces').length, 0)
})

t.test('log lines of requests and runs name their trace, and other lines none', async (t) => {
  const { start, userWithTokens } = await setUpTracing(t)
  const service = await start()
  const body = { userId: userWithTokens(1) }
  await request(service.url, 'POST', '/logout-hook', { body, headers: HEADERS })
  await request(service.url, 'POST', '/logout-hook', { body: { wrong: true }, headers: HEADERS })
  const line = (message: string) =>
    service
      .output()
      .split('\n')
      .filter((text) => text.includes(`"msg":"${message}"`))
      .map((text) => JSON.parse(text))[0]
  const messages = [
    'revocation ended',
    'confirming listing finished',
    'a request was rejected',
    'Curfew is ready',
  ]
  await until('they are logged', () => messages.every((message) => line(message)))
  for (const message of messages.slice(0, 3))
    t.match(line(message), { trace_id: TRACE_ID, trace_flags: '01' }, message)
  t.match(line('revocation ended').span_id, /^[0-9a-f]{16}$/)
  t.notMatch(line('Curfew is ready'), { trace_id: String })
})

t.test('Qlik Cloud gets no header of the trace', async (t) => {
  const received: IncomingHttpHeaders[] = []
  const tenant = createServer((request, response) => {
    received.push(request.headers)
    response.writeHead(500).end()
  })
  const port = await listen(tenant)
  t.teardown(() => tenant.close())
  const { collector, start, userWithTokens } = await setUpTracing(t, {
    QLIK_TENANT_URL: `http://127.0.0.1:${port}`,
  })
  const service = await start()
  const body = { userId: userWithTokens(1) }
  await request(service.url, 'POST', '/logout-hook', { body, headers: HEADERS })
  await collector.until(atLeast(1, 'revoke revocations'))
  const run = sole(collector.spans, 'revoke revocations')
  t.match(run, {
    statusCode: 2,
    attributes: { 'error.type': 'CURFEW_QLIK_UNAVAILABLE', 'curfew.status': 'queued' },
  })
  const [call] = collector.spans.filter(({ parentSpanId }) => parentSpanId === run.spanId)
  t.match(call, {
    name: 'POST /oauth/token',
    statusCode: 2,
    attributes: { 'http.response.status_code': 500 },
  })
  t.ok(received.length > 0)
  for (const name of ['traceparent', 'tracestate', 'baggage'])
    t.same(
      received.filter((headers) => name in headers),
      [],
      name,
    )
})
