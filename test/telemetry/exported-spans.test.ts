import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import t from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { templateOf } from '../../src/telemetry/calls.ts'
import { ExportedSpans } from '../../src/telemetry/exported-spans.ts'
import { Problems } from '../../src/telemetry/problems.ts'
import { RunSpans, withRun } from '../../src/telemetry/run-spans.ts'
import { tracing } from '../../src/telemetry/tracing.ts'
import { fakeClock } from '../support/clock.ts'
import { AN_ORIGIN, aSignal } from '../support/signals.ts'

function setUp() {
  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({
    spanProcessors: [new ExportedSpans(new SimpleSpanProcessor(exporter))],
  })
  return { provider, tracer: provider.getTracer('test'), exported: () => exporter.getFinishedSpans() }
}

t.test('only listed attributes leave the process, and no event and no message of an error', async (t) => {
  const { tracer, exported } = setUp()
  const span = tracer.startSpan('call', { kind: SpanKind.CLIENT })
  span.setAttributes({
    'url.full': 'https://tenant.example/api/v1/oauth-tokens?userId=secret',
    'url.path': '/secret',
    'url.query': '?secret',
    'http.request.header.authorization': ['secret'],
    'db.postgresql.values': ['secret'],
    'enduser.id': 'secret',
    'http.request.method': 'GET',
    'curfew.tenant': 'acme',
    'db.query.text': `SELECT ${'x'.repeat(1_000)}`,
  })
  span.recordException(new Error('secret'))
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'secret' })
  span.end()
  const [found] = exported()
  t.same(Object.keys(found?.attributes ?? {}).sort(), [
    'curfew.tenant',
    'db.query.text',
    'http.request.method',
  ])
  t.equal(String(found?.attributes['db.query.text']).length, 300)
  t.same(found?.events, [])
  t.same(found?.status, { code: SpanStatusCode.ERROR })
})

t.test('a request is exported only with an authenticated sender; a rejection is no error', async (t) => {
  const { tracer, exported } = setUp()
  const request = (attributes: Record<string, string | number>) => {
    const span = tracer.startSpan('request', { kind: SpanKind.SERVER, attributes })
    span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }
  request({ 'http.response.status_code': 401 })
  request({ 'http.response.status_code': 422, 'curfew.sender': 'api-key portal' })
  request({ 'http.response.status_code': 503, 'curfew.sender': 'api-key portal' })
  t.same(
    exported().map(({ attributes, status }) => [attributes['http.response.status_code'], status.code]),
    [
      [422, SpanStatusCode.UNSET],
      [503, SpanStatusCode.ERROR],
    ],
  )
})

t.test('a run keeps 200 spans below it and 50 failed ones more, and counts the others', async (t) => {
  const { tracer, exported } = setUp()
  const root = tracer.startSpan('run', { kind: SpanKind.CONSUMER })
  const run = new RunSpans(root)
  const around = withRun(ROOT_CONTEXT, run)
  const calls = (name: string, count: number, code: SpanStatusCode) => {
    for (let index = 0; index < count; index += 1) {
      const call = tracer.startSpan(name, { kind: SpanKind.CLIENT }, around)
      call.setStatus({ code })
      call.end()
    }
  }
  calls('first', 300, SpanStatusCode.UNSET)
  calls('failed', 70, SpanStatusCode.ERROR)
  calls('last', 30, SpanStatusCode.UNSET)
  root.end()
  const count = (name: string) => exported().filter((span) => span.name === name).length
  t.same(['first', 'failed', 'last', 'run'].map(count), [200, 50, 0, 1])
  t.equal(run.dropped, 150)
})

t.test('work that outlives its request is not in its trace', async (t) => {
  const { tracer, exported, provider } = setUp()
  provider.register()
  t.teardown(() => {
    trace.disable()
    context.disable()
  })
  const request = tracer.startSpan('request', {
    kind: SpanKind.SERVER,
    attributes: { 'curfew.sender': 'one' },
  })
  const within = trace.setSpan(ROOT_CONTEXT, request)
  const origin = { kind: 'source', name: 'polled', id: '', address: null } as const
  const accept = () =>
    tracing.accept([], origin, async () => {
      tracer.startSpan('statement', { kind: SpanKind.CLIENT }).end()
      return { revocations: [], replayed: false }
    })
  await context.with(within, accept)
  request.end()
  await context.with(within, accept)
  tracer.startSpan('statement', { kind: SpanKind.CLIENT }, within).end()
  const { traceId } = request.spanContext()
  t.same(
    exported().map((span) => [
      span.name,
      span.spanContext().traceId === traceId,
      span.parentSpanContext !== undefined,
    ]),
    [
      ['statement', true, true],
      ['accept revocations', true, true],
      ['request', true, false],
      ['statement', false, true],
      ['accept revocations', false, false],
    ],
  )
})

t.test('templates of paths contain no ids', async (t) => {
  t.equal(templateOf('/api/v1/oauth-tokens/secret'), '/api/v1/oauth-tokens/{tokenId}')
  t.equal(templateOf('/api/v1/oauth-tokens?userId=secret&limit=100'), '/api/v1/oauth-tokens')
  t.equal(templateOf('/api/v1/users?filter=email eq "secret"'), '/api/v1/users')
  t.equal(templateOf('/api/v1/users/me'), '/api/v1/users/me')
  t.equal(templateOf('/api/v1/users/secret'), '/api/v1/users/{userId}')
  t.equal(templateOf('/api/v1/users/secret/more'), null)
  t.equal(templateOf('/oauth/token'), '/oauth/token')
})

t.test(
  'problems are logged once a minute, without values, and the first ones once there is a log',
  async (t) => {
    const clock = fakeClock()
    const problems = new Problems(clock)
    const lines: [object, string][] = []
    const write = (details: object, message: string) => void lines.push([details, message])
    problems.diag.warn('Header "x-key" has invalid value (abc"de)f) and will be ignored')
    problems.diag.error("URL 'http://user:secret@host' is wrong, as is OTEL_TRACES_SAMPLER_ARG=secret here")
    t.same(lines, [])
    problems.writeTo({ info: write, warn: write, error: write })
    const report = (detail: string) => [{ detail, leftOut: 0 }, 'OpenTelemetry reports a problem']
    t.same(lines.splice(0), [
      report('Header ... has invalid value ... and will be ignored'),
      report('URL ... is wrong, as is OTEL_TRACES_SAMPLER_ARG... here'),
    ])
    const error = new Error('away')
    for (let batch = 0; batch < 3; batch += 1) problems.exportFailed(error)
    clock.advance(60_000)
    problems.exportFailed(Object.assign(error, { code: 503 }))
    t.same(
      lines.map(([details]) => details),
      [
        { status: null, leftOut: 0, err: error },
        { status: 503, leftOut: 2, err: error },
      ],
    )
  },
)

t.test(
  'a request with many signals exports a limited number of them, and each continues its trace',
  async (t) => {
    const { provider, exported } = setUp()
    provider.register()
    t.teardown(() => {
      for (const api of [trace, context]) api.disable()
    })
    const signals = Array.from({ length: 300 }, (_, index) => aSignal({ userId: `u${index}` }))
    const traces = new Set<string | null>()
    const stored = { id: 'r1', status: 'queued', traceparent: null } as Revocation
    await tracing.accept(signals, AN_ORIGIN, async (traced) => {
      for (const { traceparent } of traced) traces.add(traceparent ?? null)
      return { revocations: traced.map(() => stored), replayed: false }
    })
    t.equal(exported().filter(({ name }) => name === 'create revocations').length, 200)
    const request = exported().find(({ name }) => name === 'accept revocations')
    t.equal(request?.attributes['curfew.spans.dropped'], 100)
    t.equal(traces.size, 300)
    t.notOk(traces.has(null))
  },
)
