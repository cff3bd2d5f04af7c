import t from 'tap'
import { request, settledAt } from '../support/service.ts'
import { atLeast, named, setUpTracing, sole } from './support.ts'

const traceparent = (digit: string, flags = '01') => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`

/** The brake holds the second user of a sender, so that further signals for this user join. */
const HELD = { MASS_REVOCATION_USERS: '1' }

const release = (url: string) => request(url, 'POST', '/revocations/release', { body: { all: true } })

t.test('a signal that joins a revocation has a link to its trace', async (t) => {
  const { collector, start, userWithTokens } = await setUpTracing(t, HELD)
  const service = await start()
  const signal = (userId: string, digit: string) =>
    request(service.url, 'POST', '/logout-hook', {
      body: { userId },
      headers: { traceparent: traceparent(digit) },
    })
  await signal(userWithTokens(1), 'a')
  const userId = userWithTokens(1)
  const first = await signal(userId, 'b')
  const second = await signal(userId, 'c')
  t.equal(first.json.status, 'held')
  t.equal(second.json.id, first.json.id)
  t.match((await release(service.url)).json, { released: 1 })
  await settledAt(service.url, first.json.id)
  await service.end('SIGTERM')
  const ofTrace = (digit: string) => collector.spans.filter(({ traceId }) => traceId === digit.repeat(32))
  const creator = sole(ofTrace('b'), 'accept revocations')
  const joiner = sole(ofTrace('c'), 'accept revocations')
  t.same(joiner.links, [{ traceId: creator.traceId, spanId: creator.spanId }])
  t.same(creator.links, [])
  t.equal(sole(ofTrace('b'), 'revoke revocations').parentSpanId, creator.spanId)
  t.same(named(ofTrace('c'), 'revoke revocations'), [])
})

t.test('a sampled signal that joins a revocation without a trace gives it one', async (t) => {
  const { collector, start, userWithTokens } = await setUpTracing(t, HELD)
  const service = await start()
  const signal = (userId: string, header: string) =>
    request(service.url, 'POST', '/logout-hook', { body: { userId }, headers: { traceparent: header } })
  await signal(userWithTokens(1), traceparent('a'))
  const userId = userWithTokens(1)
  const { json } = await signal(userId, traceparent('b', '00'))
  await signal(userId, traceparent('c'))
  t.match((await release(service.url)).json, { released: 1 })
  await settledAt(service.url, json.id)
  await service.end('SIGTERM')
  const run = collector.spans.filter(
    ({ name, attributes }) => name === 'revoke revocations' && attributes['messaging.message.id'] === json.id,
  )
  t.same(
    run.map(({ traceId }) => traceId),
    ['c'.repeat(32)],
  )
  t.same(
    collector.spans.filter(({ traceId }) => traceId === 'b'.repeat(32)),
    [],
    'the caller of the first signal has not sampled it',
  )
})

t.test(
  'each revocation of a request with several signals has its own trace, linked to the request',
  async (t) => {
    const { collector, start, userWithTokens } = await setUpTracing(t)
    const service = await start()
    const users = Array.from({ length: 3 }, () => ({ userId: userWithTokens(1) }))
    const headers = { traceparent: traceparent('a'), 'idempotency-key': 'a-bulk-request' }
    const send = () => request(service.url, 'POST', '/revocations', { body: { users }, headers })
    t.equal((await send()).status, 202)
    await collector.until(atLeast(3, 'revoke revocations'))
    t.equal((await send()).status, 202)
    await collector.until(atLeast(2, 'POST /revocations'))
    await service.end('SIGTERM')
    const [accept, repeated] = named(collector.spans, 'accept revocations')
    const created = named(collector.spans, 'create revocations')
    const runs = named(collector.spans, 'revoke revocations')
    t.match(accept, { traceId: 'a'.repeat(32), attributes: { 'messaging.batch.message_count': 3 } })
    t.match(repeated, { attributes: { 'curfew.replayed': true } })
    t.equal(created.length, 3, 'the repetition creates none')
    t.equal(new Set(created.map(({ traceId }) => traceId)).size, 3)
    t.equal(runs.length, 3)
    for (const span of created) {
      t.same(span.links, [{ traceId: accept?.traceId, spanId: accept?.spanId }])
      const run = runs.find(({ traceId }) => traceId === span.traceId)
      t.match(run, { parentSpanId: span.spanId })
      t.equal(run?.attributes['messaging.message.id'], span.attributes['messaging.message.id'])
    }
  },
)
