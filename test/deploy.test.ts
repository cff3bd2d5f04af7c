import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
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

  t.test('installs what the lock file says, for production, and runs no script of a package', async (t) => {
    t.ok(build.includes('RUN npm ci --omit=dev --ignore-scripts'))
    t.notMatch(runtime.join('\n'), /npm/)
  })

  t.test('takes nothing from the working copy but by way of the build', async (t) => {
    t.ok(imageArguments('COPY').every((copied) => copied.startsWith('--from=build ')))
    t.same(imageArguments('ADD'), [])
  })

  t.test('leaves every file but the data to root', async (t) => {
    t.ok(build.includes('RUN chmod -R u=rwX,go=rX package.json src'))
    t.same(imageArguments('RUN'), ['install -d -o node -g node -m 0700 /data'])
    t.notMatch(runtime.join('\n'), /--chown/)
  })

  t.test('runs as node, without a shell in between', async (t) => {
    t.same(imageArguments('USER'), ['node'])
    t.same(imageArguments('ENTRYPOINT'), ['[]'])
    t.same(imageArguments('CMD'), ['["node", "src/main.ts"]'])
    t.ok(runtime.indexOf('USER node') > runtime.findLastIndex((line) => /^(RUN|COPY) /.test(line)))
  })

  t.test('writes to its volume only', async (t) => {
    t.same(imageArguments('VOLUME'), ['/data'])
    const { DATABASE_URL, SQLITE_TMPDIR } = imageEnvironment()
    t.equal(DATABASE_URL, 'sqlite:/data/curfew.db')
    t.equal(SQLITE_TMPDIR, '/data')
  })

  t.test('is set by keys that the configuration knows, and two that are not ours', async (t) => {
    const keys = Object.keys(imageEnvironment())
    const others = keys.filter((key) => !(key in Environment.shape))
    t.same(others, ['NODE_ENV', 'SQLITE_TMPDIR'])
  })

  t.test('checks its health in Node, on the port that it exposes', async (t) => {
    t.match(imageArguments('HEALTHCHECK')[0], /CMD \["node", "src\/commands\/healthcheck\.ts"\]$/)
    t.same(imageArguments('EXPOSE'), [imageEnvironment().PORT])
  })
})

t.test('only what the service runs from gets into the build', async (t) => {
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.same(rules, ['**', '!src', '!package.json', '!package-lock.json'])
})

t.test('the health check', async (t) => {
  t.test('ends with 0 when the service is alive', async (t) => {
    const { url } = await startService(t)
    t.match(await check({ port: new URL(url).port }), { code: 0, output: `${url}/health/live answered 200` })
  })

  t.test('ends with 0 when the address that it is given answers 200', async (t) => {
    const { url } = await startService(t)
    t.match(await check({ args: [`${url}/openapi.json`] }), { code: 0 })
  })

  t.test('ends with 1 when nothing listens', async (t) => {
    const port = await portOf(t, (server) => server.close())
    t.match(await check({ port }), { code: 1, output: /ECONNREFUSED/ })
  })

  t.test('ends with 1 on any other answer', async (t) => {
    const port = await portOf(t, (server) =>
      server.on('request', (_request, response) => response.writeHead(503).end()),
    )
    t.match(await check({ port }), { code: 1, output: /answered 503/ })
  })

  t.test('ends with 1 when no answer comes', async (t) => {
    const port = await portOf(t, (server) => server.on('request', () => {}))
    t.match(await check({ port }), { code: 1, output: /abort/i })
  })

  t.test('ends with 1 when the address is none', async (t) => {
    t.match(await check({ args: ['localhost'] }), { code: 1, output: /not an http address/ })
  })
})

function check({ port = '', args = [] }: { port?: string; args?: string[] }) {
  const env = { ...process.env, PORT: port }
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'src/commands/healthcheck.ts'), ...args],
      { env },
      (error, output) => resolve({ code: error ? error.code : 0, output }),
    )
  })
}

/** The port of a server that `prepare` has made to behave in its way. */
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
