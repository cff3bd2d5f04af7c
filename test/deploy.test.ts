import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Environment, loadConfig, SECRETS } from '../src/config.ts'
import { readArguments } from '../src/sandbox/arguments.ts'
import { startService } from './support/service.ts'

const ROOT = join(import.meta.dirname, '..')
const DEMO_SECRETS = join(ROOT, 'deploy/demo-secrets')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

t.test('the image', async (t) => {
  const stages = dockerfileStages()
  const [build = [], runtime = []] = stages
  const argumentsOf = (instruction: string) =>
    runtime
      .filter((line) => line.startsWith(`${instruction} `))
      .map((line) => line.slice(instruction.length + 1))

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
    t.ok(argumentsOf('COPY').every((copied) => copied.startsWith('--from=build ')))
    t.same(argumentsOf('ADD'), [])
  })

  t.test('leaves every file but the data to root', async (t) => {
    t.ok(build.includes('RUN chmod -R u=rwX,go=rX package.json src'))
    t.same(argumentsOf('RUN'), ['install -d -o node -g node -m 0700 /data'])
    t.notMatch(runtime.join('\n'), /--chown/)
  })

  t.test('runs as node, without a shell in between', async (t) => {
    t.same(argumentsOf('USER'), ['node'])
    t.same(argumentsOf('ENTRYPOINT'), ['[]'])
    t.same(argumentsOf('CMD'), ['["node", "src/main.ts"]'])
    t.ok(runtime.indexOf('USER node') > runtime.findLastIndex((line) => /^(RUN|COPY) /.test(line)))
  })

  t.test('writes to its volume only', async (t) => {
    t.same(argumentsOf('VOLUME'), ['/data'])
    const { DATABASE_URL, SQLITE_TMPDIR } = pairs(argumentsOf('ENV').join(' '))
    t.equal(DATABASE_URL, 'sqlite:/data/curfew.db')
    t.equal(SQLITE_TMPDIR, '/data')
  })

  t.test('is set by keys that the configuration knows, and two that are not ours', async (t) => {
    const keys = Object.keys(pairs(argumentsOf('ENV').join(' ')))
    const others = keys.filter((key) => !(key in Environment.shape))
    t.same(others, ['NODE_ENV', 'SQLITE_TMPDIR'])
  })

  t.test('checks its health in Node, on the port that it exposes', async (t) => {
    t.match(argumentsOf('HEALTHCHECK')[0], /CMD \["node", "src\/healthcheck\.ts"\]$/)
    t.same(argumentsOf('EXPOSE'), [pairs(argumentsOf('ENV').join(' ')).PORT])
  })
})

t.test('only what the service runs from gets into the build', async (t) => {
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.same(rules, ['**', '!src', '!package.json', '!package-lock.json'])
})

t.test('the compose file', async (t) => {
  const compose = read('docker-compose.yml')
  const services = ['sandbox', 'curfew']

  t.test('hardens every service', async (t) => {
    t.same(keysOf(section(compose, 'services')), services)
    for (const service of services) t.match(section(compose, 'services', service), /^<<: \*hardened$/m)
    const hardened = section(compose, 'x-hardened')
    t.match(hardened, /^init: true$/m)
    t.match(hardened, /^read_only: true$/m)
    t.match(hardened, /^cap_drop: \[ALL\]$/m)
    t.match(hardened, /^security_opt: \['no-new-privileges:true'\]$/m)
    t.match(section(hardened, 'deploy', 'resources'), /cpus: .+ memory: .+ pids: /)
    t.notMatch(compose, /privileged: true|cap_add|docker\.sock|network_mode: host/)
  })

  t.test('waits longer than a shutdown takes before it kills', async (t) => {
    const seconds = /^stop_grace_period: (\d+)s$/m.exec(section(compose, 'x-hardened'))?.[1]
    t.ok(Number(seconds) * 1_000 > Environment.shape.SHUTDOWN_GRACE_MS.parse(undefined))
  })

  t.test('publishes on loopback only', async (t) => {
    const ports = section(compose, 'services', 'sandbox', 'ports').split('\n')
    t.same(ports, ["- '127.0.0.1:3000:3000'", "- '127.0.0.1:4848:4848'"])
    t.equal(compose.match(/^ +ports:$/gm)?.length, 1)
  })

  t.test("lets Curfew live in the sandbox's network, since http is for loopback", async (t) => {
    t.match(section(compose, 'services', 'curfew'), /^network_mode: service:sandbox$/m)
  })

  t.test('sets keys that the configuration knows, and secrets as files only', async (t) => {
    const known = [...Object.keys(Environment.shape), ...SECRETS.map((key) => `${key}_FILE`)]
    const keys = keysOf(section(compose, 'services', 'curfew', 'environment'))
    t.ok(keys.length > 0)
    t.same(
      keys.filter((key) => !known.includes(key)),
      [],
    )
    t.same(
      keys.filter((key) => SECRETS.some((secret) => secret === key)),
      [],
    )
    t.notMatch(compose, /env_file|--client-secret=/)
  })

  t.test('takes its secrets from the demo files, of which there are no others', async (t) => {
    const secrets = section(compose, 'secrets')
    const files = readdirSync(DEMO_SECRETS).filter((file) => file !== 'README.md')
    t.same(keysOf(secrets).sort(), files.sort())
    for (const file of files) {
      t.equal(section(secrets, file), `file: ./deploy/demo-secrets/${file}`)
      const content = readFileSync(join(DEMO_SECRETS, file), 'utf8').replace(/^whsec_/, '')
      t.match(
        `${content} ${Buffer.from(content, 'base64')}`,
        /demo.only.+worthless/,
        `${file} says what it is`,
      )
    }
  })

  t.test('holds a configuration that works, and the sandbox knows its client', async (t) => {
    const service = pairs(section(compose, 'services', 'curfew', 'environment').replaceAll(': ', '='))
    const config = await loadConfig(onThisMachine(service))
    const command = section(compose, 'services', 'sandbox', 'command').match(/--\S+/g) ?? []
    const sandbox = readArguments(Object.values(onThisMachine(command)))
    t.match(config.tenants[0], {
      origin: `http://127.0.0.1:${sandbox.sandbox.port}`,
      clientId: sandbox.clientId,
      clientSecret: sandbox.clientSecret,
    })
    t.equal(config.senders.webhookSecrets.length, 1)
    t.equal(config.senders.apiKeys.length, 1)
  })
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
    const port = await listen(t, (server) => server.close())
    t.match(await check({ port }), { code: 1, output: /ECONNREFUSED/ })
  })

  t.test('ends with 1 on any other answer', async (t) => {
    const port = await listen(t, (server) =>
      server.on('request', (_request, response) => response.writeHead(503).end()),
    )
    t.match(await check({ port }), { code: 1, output: /answered 503/ })
  })

  t.test('ends with 1 when no answer comes', async (t) => {
    const port = await listen(t, (server) => server.on('request', () => {}))
    t.match(await check({ port }), { code: 1, output: /abort/i })
  })

  t.test('ends with 1 when the address is none', async (t) => {
    t.match(await check({ args: ['localhost'] }), { code: 1, output: /not an http address/ })
  })
})

/** The instructions of each stage, without comments, continued lines joined. */
function dockerfileStages(): string[][] {
  const lines = read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
  const starts = lines.flatMap((line, index) => (line.startsWith('FROM ') ? [index] : []))
  return starts.map((start, stage) => lines.slice(start, starts[stage + 1]))
}

/** What stands under these keys of a YAML text, comments and the indentation taken off. */
function section(text: string, ...path: string[]): string {
  const [key, ...rest] = path
  if (key === undefined) return text
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  const start = lines.findIndex((line) => line.replace(/ &\w+$/, '') === `${key}:`)
  if (start < 0) throw new Error(`there is no ${key}`)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith(' '))
  const inner = lines.slice(start + 1, end < 0 ? undefined : end)
  const indent = inner[0]?.search(/\S/) ?? 0
  return section(inner.map((line) => line.slice(indent)).join('\n'), ...rest)
}

function keysOf(yaml: string): string[] {
  return [...yaml.matchAll(/^([\w-]+):/gm)].map((match) => match[1] ?? '')
}

/** `KEY=value` words. */
function pairs(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(\w+)=(\S+)/g)].map((match) => [match[1], match[2]]))
}

/** Where a container finds its secrets, this machine has the demo's. */
function onThisMachine(values: Record<string, string> | string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, value.replace('/run/secrets', DEMO_SECRETS)]),
  )
}

function check({ port = '', args = [] }: { port?: string; args?: string[] }) {
  const env = { ...process.env, PORT: port }
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, [join(ROOT, 'src/healthcheck.ts'), ...args], { env }, (error, output) =>
      resolve({ code: error ? error.code : 0, output }),
    )
  })
}

/** The port of a server that `prepare` has made to behave in its way. */
async function listen(
  t: Test,
  prepare: (server: ReturnType<typeof createServer>) => unknown,
): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  await prepare(server)
  return String(port)
}
