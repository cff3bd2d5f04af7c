import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { isOn } from '../../src/telemetry/part.ts'
import { startPostgres } from '../support/postgres.ts'
import { setUpReplicas } from '../support/replicas.ts'
import { request, settledAt, temporaryFolder } from '../support/service.ts'
import { setUpTracing } from './support.ts'

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const RECORDER = pathToFileURL(join(import.meta.dirname, 'fixtures/record-modules.ts')).href
/** Prometheus' client always loads the API, which does nothing without an SDK. */
const OPENTELEMETRY =
  /@opentelemetry\/(?!api\/)|@fastify\/otel|(import|require)-in-the-middle|\/telemetry\/start\.ts/

/** Variables with which a process records the modules that it loads, and those of telemetry among them. */
function recorder(t: Test) {
  const file = join(temporaryFolder(t), 'modules')
  const options = `${process.env.NODE_OPTIONS ?? ''} --import=${RECORDER}`
  const loaded = () => readFileSync(file, 'utf8').split('\n')
  return {
    environment: { LOADED_MODULES_FILE: file, NODE_OPTIONS: options },
    all: loaded,
    ofTelemetry: () => loaded().filter((url) => OPENTELEMETRY.test(url)),
  }
}

t.test(
  'without its variables, nothing of OpenTelemetry is loaded but its API, and no trace is stored',
  async (t) => {
    const { environment, start, userWithTokens, collector } = await setUpTracing(t, {
      OTEL_EXPORTER_OTLP_ENDPOINT: '',
    })
    const modules = recorder(t)
    const service = await start(modules.environment)
    const { json } = await request(service.url, 'POST', '/logout-hook', {
      body: { userId: userWithTokens(1) },
      headers: { traceparent: TRACEPARENT },
    })
    t.match((await settledAt(service.url, json.id)).json, { verified: true })
    await service.end('SIGTERM')
    t.ok(modules.all().length > 300)
    t.same(modules.ofTelemetry(), [])
    t.notMatch(service.output(), 'trace_id')
    t.same(collector.requests, [])
    const database = new DatabaseSync(String(environment.DATABASE_URL).slice('sqlite:'.length), {
      readOnly: true,
    })
    t.teardown(() => database.close())
    t.same({ ...database.prepare('SELECT traceparent FROM revocations').get() }, { traceparent: null })
  },
)

t.test('with an endpoint, the same check finds modules of OpenTelemetry', async (t) => {
  const { start } = await setUpTracing(t)
  const modules = recorder(t)
  const service = await start(modules.environment)
  await service.end('SIGTERM')
  t.ok(modules.ofTelemetry().length > 50)
})

t.test('without its variables, PostgreSQL is used without instrumentation', async (t) => {
  const { start } = await setUpReplicas(t, { server: await startPostgres(t) })
  const modules = recorder(t)
  const service = await start(modules.environment)
  await service.end('SIGTERM')
  t.ok(modules.all().some((url) => url.includes('/node_modules/pg/')))
  t.same(modules.ofTelemetry(), [])
})

t.test('the standard variables turn telemetry on and off', async (t) => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' }
  const on = [
    endpoint,
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' },
    { OTEL_TRACES_EXPORTER: 'otlp' },
    { ...endpoint, OTEL_SDK_DISABLED: 'false', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' },
    { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  ]
  const off = [
    {},
    { OTEL_SERVICE_NAME: 'curfew', OTEL_TRACES_SAMPLER: 'always_on', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' },
    { ...endpoint, OTEL_SDK_DISABLED: 'TRUE' },
    { ...endpoint, OTEL_TRACES_EXPORTER: 'none' },
    { OTEL_SDK_DISABLED: 'true', OTEL_TRACES_EXPORTER: 'zipkin' },
  ]
  for (const environment of on) t.equal(isOn(environment), true, JSON.stringify(environment))
  for (const environment of off) t.equal(isOn(environment), false, JSON.stringify(environment))
})
