import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import packageJson from '../package.json' with { type: 'json' }
import { Environment } from '../src/config/environment.ts'
import { dockerfileStages, imageArguments, imageEnvironment, ROOT, read } from './support/deployment.ts'
import { listen } from './support/listen.ts'
import { startService } from './support/service.ts'

t.test('the image', async (t) => {
  const stages = dockerfileStages()
  const [build = [], runtime = []] = stages

  t.test('is built in two stages from the same base', async (t) => {
    t.same(
      stages.map(([from]) => from),
      ['FROM node:24-slim AS build', 'FROM node:24-slim'],
    )
  })

  t.test('installs the locked production packages and runs no install scripts', async (t) => {
    t.ok(build.includes('RUN npm ci --omit=dev --ignore-scripts'))
    t.notMatch(runtime.join('\n'), /npm/)
  })

  t.test('copies files only from the build stage', async (t) => {
    t.ok(imageArguments('COPY').every((copied) => copied.startsWith('--from=build ')))
    t.same(imageArguments('ADD'), [])
  })

  t.test('leaves every file except the data to root', async (t) => {
    t.ok(build.includes('RUN chmod -R u=rwX,go=rX package.json src'))
    t.same(imageArguments('RUN'), ['install -d -o node -g node -m 0700 /data'])
    t.notMatch(runtime.join('\n'), /--chown/)
  })

  t.test('runs as node, without a shell in between', async (t) => {
    t.same(imageArguments('USER'), ['node'])
    t.same(imageArguments('ENTRYPOINT'), ['[]'])
    const [command = ''] = imageArguments('CMD')
    const flags = packageJson.scripts.start
      .match(/--\S+(?= )/g)
      ?.filter((flag) => !flag.startsWith('--env-file'))
    t.same(JSON.parse(command), ['node', ...(flags ?? []), 'src/main.ts'], 'with the flags of `npm start`')
    t.ok(
      build.some((line) => line.includes(`node ${flags?.join(' ')} src/main.ts`)),
      'compiled with them, too',
    )
    t.ok(runtime.indexOf('USER node') > runtime.findLastIndex((line) => /^(RUN|COPY) /.test(line)))
  })

  t.test('writes to its volume only', async (t) => {
    t.same(imageArguments('VOLUME'), ['/data'])
    const { DATABASE_URL, SQLITE_TMPDIR } = imageEnvironment()
    t.equal(DATABASE_URL, 'sqlite:/data/curfew.db')
    t.equal(SQLITE_TMPDIR, '/data')
  })

  t.test('sets known configuration keys and three other variables', async (t) => {
    const keys = Object.keys(imageEnvironment())
    const others = keys.filter((key) => !(key in Environment.shape))
    t.same(others, ['NODE_ENV', 'NODE_COMPILE_CACHE', 'SQLITE_TMPDIR'])
  })

  t.test('checks its health with Node, on the exposed port', async (t) => {
    t.match(imageArguments('HEALTHCHECK')[0], /CMD \["node", "src\/commands\/healthcheck\.ts"\]$/)
    t.same(imageArguments('EXPOSE'), [imageEnvironment().PORT])
  })
})

t.test('the build context contains only what the service needs', async (t) => {
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.same(rules, ['**', '!src', '!package.json', '!package-lock.json'])
})

t.test('the health check', async (t) => {
  t.test('exits 0 if the service is alive', async (t) => {
    const { url } = await startService(t)
    t.match(await check({ port: new URL(url).port }), { code: 0, output: `${url}/health/live answered 200` })
  })

  t.test("uses the operators' listener if there is one", async (t) => {
    const { operatorsUrl } = await startService(t, { environment: { OPS_PORT: '0' } })
    const { port: OPS_PORT } = new URL(String(operatorsUrl))
    const expected = { code: 0, output: `${operatorsUrl}/health/live answered 200` }
    for (const OPS_HOST of ['', '0.0.0.0', '127.0.0.1'])
      t.match(await check({ port: '1', more: { OPS_PORT, OPS_HOST } }), expected)
  })

  t.test('exits 0 if the given URL answers 200', async (t) => {
    const { url } = await startService(t)
    t.match(await check({ args: [`${url}/openapi.json`] }), { code: 0 })
  })

  t.test('exits 1 if nothing listens', async (t) => {
    const port = await portOf(t, (server) => server.close())
    t.match(await check({ port }), { code: 1, output: /ECONNREFUSED/ })
  })

  t.test('exits 1 on any other answer', async (t) => {
    const port = await portOf(t, (server) =>
      server.on('request', (_request, response) => response.writeHead(503).end()),
    )
    t.match(await check({ port }), { code: 1, output: /answered 503/ })
  })

  t.test('exits 1 without an answer', async (t) => {
    const port = await portOf(t, (server) => server.on('request', () => {}))
    t.match(await check({ port }), { code: 1, output: /abort/i })
  })

  t.test('exits 1 if the URL is invalid', async (t) => {
    t.match(await check({ args: ['localhost'] }), { code: 1, output: /is not a valid http URL/ })
  })
})

interface Check {
  port?: string
  args?: string[]
  more?: Record<string, string>
}

function check({ port = '', args = [], more = {} }: Check) {
  const env = { ...process.env, PORT: port, ...more }
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'src/commands/healthcheck.ts'), ...args],
      { env },
      (error, output) => resolve({ code: error ? error.code : 0, output }),
    )
  })
}

/** Starts a server, lets `prepare` change it, and returns its port. */
async function portOf(
  t: Test,
  prepare: (server: ReturnType<typeof createServer>) => unknown,
): Promise<string> {
  const server = createServer()
  const port = await listen(server)
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  await prepare(server)
  return String(port)
}
