import t from 'tap'
import { startCollector } from '../support/collector.ts'
import { nextCall } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { setUpReplicas } from '../support/replicas.ts'
import { request } from '../support/service.ts'
import { atLeast, named, sole, telemetryTo } from './support.ts'

const server = await startPostgres(t)
const TOKENS = 40

t.test('on PostgreSQL, another replica continues the trace, and statements are part of it', async (t) => {
  const collector = await startCollector(t)
  const replicas = await setUpReplicas(t, { server, latencyMs: 50 })
  const startAs = (name: string) =>
    replicas.start({ ...telemetryTo(collector.url), OTEL_SERVICE_NAME: name, SHUTDOWN_DRAIN_MS: '0' })
  const first = await startAs('first')
  const userId = replicas.userWithTokens(TOKENS)
  const deleted = nextCall(replicas.sandbox, ({ method }) => method === 'DELETE')
  const { json } = await replicas.accept(first, userId)
  await deleted
  const ended = first.end('SIGTERM')
  t.equal(await ended, 0)
  const second = await startAs('second')
  await replicas.proveRevoked(t, second)
  await collector.until(atLeast(2, 'revoke revocations'))
  t.equal(await second.end('SIGTERM'), 0)

  const accept = sole(collector.spans, 'accept revocations')
  const runs = named(collector.spans, 'revoke revocations')
  t.same(
    runs.map(({ service, attributes }) => [service, attributes['curfew.status']]),
    [
      ['first', 'queued'],
      ['second', 'completed'],
    ],
  )
  for (const run of [...runs, ...named(collector.spans, 'confirm revocations')])
    t.match(run, {
      traceId: accept.traceId,
      parentSpanId: accept.spanId,
      attributes: { 'messaging.message.id': json.id },
    })
  const deletes = named(collector.spans, 'DELETE /api/v1/oauth-tokens/{tokenId}')
  t.ok(deletes.length >= TOKENS)
  t.same(new Set(deletes.map(({ parentSpanId }) => parentSpanId)), new Set(runs.map(({ spanId }) => spanId)))

  const statements = collector.spans.filter(({ scope }) => scope === '@opentelemetry/instrumentation-pg')
  t.ok(statements.some(({ parentSpanId }) => parentSpanId === accept.spanId))
  t.ok(statements.some(({ parentSpanId }) => runs.some(({ spanId }) => spanId === parentSpanId)))
  t.ok(
    statements.some(({ attributes }) =>
      String(attributes['db.query.text']).includes('INSERT INTO curfew.revocations'),
    ),
  )
  t.same(
    statements.filter(
      ({ traceId }) => !collector.spans.some((span) => span.kind === 2 && span.traceId === traceId),
    ),
    [],
    'claims, heartbeats and the queue are not traced',
  )
  t.notOk(collector.text().includes(userId))
})

t.test(
  'claims are in no trace, although a request that waits for its revocation has caused them',
  async (t) => {
    const collector = await startCollector(t)
    const replicas = await setUpReplicas(t, { server })
    const service = await replicas.start(telemetryTo(collector.url))
    const body = { userId: replicas.userWithTokens(1) }
    const sent = { body, headers: { prefer: 'wait=60' } }
    t.equal((await request(service.url, 'POST', '/logout-hook', sent)).json.status, 'completed')
    await service.end('SIGTERM')
    const { spanId } = sole(collector.spans, 'POST /logout-hook')
    const below = collector.spans.filter(({ parentSpanId }) => parentSpanId === spanId)
    const operations = below.map(({ name }) => name.replace(/^pg.query:(\w+).*/, '$1'))
    t.same(new Set(operations), new Set(['accept revocations', 'SELECT']), 'waiting only reads')
  },
)
