import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { request, settledAt } from '../support/service.ts'
import { signed } from '../support/webhook.ts'
import { atLeast, setUpTracing, sole } from './support.ts'

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`

t.test('a request without authentication leaves no span, whatever trace it names', async (t) => {
  const { collector, start, userWithTokens } = await setUpTracing(t)
  const service = await start({ MAX_FAILED_AUTHENTICATIONS: '1' })
  const body = JSON.stringify({ userId: userWithTokens(1) })
  const headers = { traceparent: TRACEPARENT, 'content-type': 'application/json' }
  const post = (more: Record<string, string>, path = '/logout-hook') =>
    request(service.url, 'POST', path, { body, headers: { ...headers, ...more } })
  t.equal((await post({ authorization: '' })).status, 401)
  t.equal((await post({ authorization: 'Bearer wrong-key-0123456789abcdef' })).status, 429)
  t.equal((await post({ authorization: '', ...signed('another body') })).status, 429)
  t.equal((await post({ authorization: '' }, '/no-such-route')).status, 404)
  for (const path of ['/health/live', '/health/ready', '/metrics', '/openapi.json'])
    await request(service.url, 'GET', path, { headers: { traceparent: TRACEPARENT } })
  // Its span is exported after theirs would have been.
  t.equal((await request(service.url, 'GET', '/status')).status, 200)
  await collector.until(atLeast(1, 'GET /status'))
  await service.end('SIGTERM')
  t.same(
    collector.spans.map(({ name }) => name),
    ['GET /status'],
  )
})

t.test('a signed webhook continues the trace that it names', async (t) => {
  const { collector, start, userWithTokens } = await setUpTracing(t)
  const service = await start()
  const body = JSON.stringify({ userId: userWithTokens(1) })
  const headers = {
    authorization: '',
    'content-type': 'application/json',
    traceparent: TRACEPARENT,
    ...signed(body),
  }
  t.equal((await request(service.url, 'POST', '/logout-hook', { body, headers })).status, 202)
  await collector.until(atLeast(1, 'POST /logout-hook'))
  const span = sole(collector.spans, 'POST /logout-hook')
  t.match(span, { traceId: TRACE_ID, attributes: { 'curfew.sender': 'webhook WEBHOOK_SECRETS[0]' } })
})

t.test('a header that is no valid traceparent begins a new trace', async (t) => {
  const { collector, start, userWithTokens } = await setUpTracing(t)
  const service = await start()
  const invalid = [
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
    `ff-${TRACE_ID}-00f067aa0ba902b7-01`,
    `00-${TRACE_ID.toUpperCase()}-00f067aa0ba902b7-01`,
    `${TRACEPARENT}-more`,
    `${TRACEPARENT}, ${TRACEPARENT}`,
    'x'.repeat(8_000),
  ]
  for (const traceparent of invalid) {
    const body = { userId: userWithTokens(1) }
    t.equal(
      (await request(service.url, 'POST', '/logout-hook', { body, headers: { traceparent } })).status,
      202,
    )
  }
  await collector.until(atLeast(invalid.length, 'POST /logout-hook'))
  const servers = collector.spans.filter(({ name }) => name === 'POST /logout-hook')
  t.equal(new Set(servers.map(({ traceId }) => traceId)).size, invalid.length)
  for (const { traceId, parentSpanId } of servers) {
    t.not(traceId, TRACE_ID)
    t.equal(parentSpanId, '')
  }
})

t.test('of a signal that its caller has not sampled, nothing is stored and nothing traced', async (t) => {
  const { collector, environment, start, userWithTokens } = await setUpTracing(t)
  const service = await start()
  const send = (traceparent: string) =>
    request(service.url, 'POST', '/logout-hook', {
      body: { userId: userWithTokens(1) },
      headers: { traceparent },
    })
  const unsampled = await send(TRACEPARENT.replace(/01$/, '00'))
  const sampled = await send(TRACEPARENT)
  for (const { json } of [unsampled, sampled]) await settledAt(service.url, json.id)
  await service.end('SIGTERM')
  const runs = collector.spans.filter(({ name }) => name === 'revoke revocations')
  t.same(
    runs.map(({ attributes }) => attributes['messaging.message.id']),
    [sampled.json.id],
  )
  const database = new DatabaseSync(String(environment.DATABASE_URL).slice('sqlite:'.length), {
    readOnly: true,
  })
  t.teardown(() => database.close())
  const stored = (id: string) => database.prepare('SELECT traceparent FROM revocations WHERE id = ?').get(id)
  t.same({ ...stored(unsampled.json.id) }, { traceparent: null })
  const accept = sole(collector.spans, 'accept revocations')
  t.same({ ...stored(sampled.json.id) }, { traceparent: `00-${TRACE_ID}-${accept.spanId}-01` })
})

t.test('the sampler of the environment decides about signals without a trace', async (t) => {
  const { collector, start, userWithTokens } = await setUpTracing(t, {
    OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  })
  const service = await start()
  const body = () => ({ userId: userWithTokens(1) })
  const plain = await request(service.url, 'POST', '/logout-hook', { body: body() })
  const traced = await request(service.url, 'POST', '/logout-hook', {
    body: body(),
    headers: { traceparent: TRACEPARENT },
  })
  for (const { json } of [plain, traced]) await settledAt(service.url, json.id)
  await service.end('SIGTERM')
  t.same(new Set(collector.spans.map(({ traceId }) => traceId)), new Set([TRACE_ID]))
})
