import { createServer, type RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { until } from '../support/events.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/listen.ts'
import { startInVain } from '../support/process.ts'
import { request, settledAt } from '../support/service.ts'
import { setUpTracing, telemetryTo } from './support.ts'

const KEY = 'key-of-the-collector'

async function collectorThat(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  const port = await listen(server)
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${port}`
}

const WAYS: Record<string, (t: Test) => Promise<string>> = {
  'is away': async () => `http://127.0.0.1:${await freePort()}`,
  'answers 500': (t) =>
    collectorThat(t, (_request, response) => response.writeHead(500).end('a secret answer')),
  'answers 400': (t) =>
    collectorThat(t, (_request, response) => response.writeHead(400).end('a secret answer')),
  'never answers': (t) => collectorThat(t, () => {}),
}

for (const [way, address] of Object.entries(WAYS)) {
  t.test(`a collector that ${way} delays neither a logout nor the end of the process`, async (t) => {
    const { start, userWithTokens } = await setUpTracing(t)
    const service = await start({
      ...telemetryTo(await address(t)),
      OTEL_EXPORTER_OTLP_HEADERS: `x-key=${KEY}`,
      // Longer than the end of the process waits.
      OTEL_EXPORTER_OTLP_TIMEOUT: way === 'never answers' ? '600000' : '200',
      OTEL_BSP_MAX_QUEUE_SIZE: '20',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
      SHUTDOWN_DRAIN_MS: '0',
      SHUTDOWN_GRACE_MS: '20000',
    })
    for (let batch = 0; batch < 5; batch += 1) {
      const { status, json } = await request(service.url, 'POST', '/logout-hook', {
        body: { userId: userWithTokens(1) },
      })
      t.equal(status, 202)
      if (batch === 4)
        t.match((await settledAt(service.url, json.id)).json, { status: 'completed', verified: true })
    }
    const problems = () => service.output().match(/^.*traces could not be exported.*$/gm) ?? []
    if (way !== 'never answers') {
      await until('it is logged', () => problems().length > 0)
      t.equal(problems().length, 1, 'one line for several batches')
      t.match(problems()[0], /"level":40/)
      const status = /\d+$/.exec(way)?.[0] ?? null
      if (status === '400') t.match(problems()[0], '"status":400')
    }
    // `end` resolves with the exit code; SHUTDOWN_GRACE_MS would end the process with code 1.
    t.equal(await service.end('SIGTERM'), 0)
    t.notMatch(service.output(), KEY)
    t.notMatch(service.output(), 'a secret answer')
  })
}

t.test('no redirect of a collector is followed: the headers contain its key', async (t) => {
  let followed = 0
  const other = await collectorThat(t, (_request, response) => {
    followed += 1
    response.end()
  })
  const redirecting = await collectorThat(t, (_request, response) =>
    response.writeHead(307, { location: `${other}/v1/traces` }).end(),
  )
  const { start, userWithTokens } = await setUpTracing(t)
  const service = await start({ ...telemetryTo(redirecting), OTEL_EXPORTER_OTLP_HEADERS: `x-key=${KEY}` })
  await request(service.url, 'POST', '/logout-hook', { body: { userId: userWithTokens(1) } })
  await until('the redirect is logged', () => service.output().includes('traces could not be exported'))
  t.match(service.output(), '"status":307')
  await service.end('SIGTERM')
  t.equal(followed, 0)
})

t.test('an unusable variable is logged without its value', async (t) => {
  const { collector, start } = await setUpTracing(t)
  const service = await start({
    OTEL_TRACES_SAMPLER: 'a-sampler-of-my-own',
    OTEL_EXPORTER_OTLP_TIMEOUT: '-1',
  })
  await request(service.url, 'GET', '/status')
  await collector.until((spans) => spans.length > 0)
  t.match(service.output(), 'OTEL_TRACES_SAMPLER value ...')
  t.match(service.output(), 'OTEL_EXPORTER_OTLP_TIMEOUT is invalid')
  t.notMatch(service.output(), 'a-sampler-of-my-own')
})

t.test('a protocol or an exporter that is not supported ends the process with 78', async (t) => {
  const { environment } = await setUpTracing(t)
  const wrong = [
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'http/protobuf'],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json', 'http/protobuf'],
    ['OTEL_TRACES_EXPORTER', 'console', 'otlp or none'],
  ] as const
  for (const [key, value, expected] of wrong) {
    const { code, stderr } = await startInVain({ ...environment, [key]: value })
    t.equal(code, 78)
    t.equal(stderr, `CURFEW_CONFIG_INVALID: ${key}: "${value}" is not supported; expected ${expected}.\n`)
  }
})
