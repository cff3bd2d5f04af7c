import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DCLinter } from 'dclint'
import t from 'tap'
import { parse } from 'yaml'
import { Environment, SECRETS } from '../src/config/environment.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { readArguments } from '../src/sandbox/arguments.ts'
import { imageEnvironment, ROOT, read } from './support/deployment.ts'
import { startService } from './support/service.ts'

interface ComposeService {
  image: string
  profiles?: string[]
  ports?: string[]
  network_mode?: string
  depends_on?: string[] | Record<string, { condition: string }>
  command?: string[]
  environment?: Record<string, string>
  secrets?: string[]
  configs?: { source: string; target: string }[]
  volumes?: string[]
  stop_grace_period: string
  healthcheck?: { test: string[] }
  [hardening: string]: unknown
}

interface ComposeFile {
  services: Record<string, ComposeService>
  secrets: Record<string, { file: string }>
  configs: Record<string, { file: string }>
}

const DEMO_SECRETS = join(ROOT, 'deploy/demo-secrets')
const REPLICAS = ['curfew-1', 'curfew-2']

const text = read('docker-compose.yml')
const { services, secrets, configs }: ComposeFile = parse(text, { merge: true })
const proxyConfiguration = read('deploy/proxy/haproxy.cfg').replace(/^ *#.*\n/gm, '')

/** A service by name, with empty lists and maps for those that it lacks. */
function service(name: string) {
  const found = services[name]
  if (!found) throw new Error(`there is no service ${name}`)
  return { environment: {}, ports: [], secrets: [], configs: [], command: [], ...found }
}

const seconds = (duration: string) => Number(/^(\d+)s$/.exec(duration)?.[1])

t.test('the compose file is valid according to the schema of the Compose Specification', async (t) => {
  const linter = new DCLinter({ rules: {}, quiet: false, debug: false, exclude: [] })
  // The types of dclint do not resolve in ES modules.
  const [result]: { messages: { type: string; message: string }[] }[] = linter.lintFiles(
    [join(ROOT, 'docker-compose.yml')],
    false,
  )
  const mistakes = result?.messages.filter(({ type }) => type === 'error').map(({ message }) => message)
  t.same(mistakes, [])
})

t.test('by default it starts the sandbox and one process; the replicas need a profile', async (t) => {
  const names = (profile?: string) =>
    Object.keys(services).filter((name) => services[name]?.profiles?.join() === profile)
  t.same(names(), ['sandbox', 'curfew'])
  t.same(names('postgres'), [...REPLICAS, 'proxy', 'postgres'])
  t.same(service('proxy').depends_on, REPLICAS, 'the proxy starts the replicas')
  for (const replica of REPLICAS) {
    t.match(service(replica).depends_on, {
      sandbox: { condition: 'service_healthy' },
      postgres: { condition: 'service_healthy' },
    })
  }
})

t.test('every service is hardened', async (t) => {
  for (const [name, one] of Object.entries(services)) {
    t.match(
      one,
      {
        init: true,
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        deploy: { resources: { limits: { cpus: String, memory: String, pids: Number } } },
        logging: { driver: 'local' },
      },
      name,
    )
  }
  t.notMatch(text, /privileged: true|cap_add|docker\.sock|network_mode: host|user: root/)
})

t.test('each container has enough time for a graceful shutdown', async (t) => {
  for (const name of ['curfew', ...REPLICAS]) {
    const { SHUTDOWN_DRAIN_MS, SHUTDOWN_GRACE_MS } = Environment.shape
    const { environment, stop_grace_period } = service(name)
    const drainMs = SHUTDOWN_DRAIN_MS.parse(Number(environment.SHUTDOWN_DRAIN_MS ?? 0))
    t.ok(seconds(stop_grace_period) * 1_000 > drainMs + SHUTDOWN_GRACE_MS.parse(undefined), name)
  }
  const hardStop = /hard-stop-after (\d+s)/.exec(proxyConfiguration)?.[1] ?? ''
  t.ok(seconds(service('proxy').stop_grace_period) > seconds(hardStop), 'proxy')
})

t.test('ports are published on loopback only, each once', async (t) => {
  const published = Object.values(services).flatMap(({ ports = [] }) => ports)
  t.same(published, [
    '127.0.0.1:3000:3000',
    '127.0.0.1:9000:9000',
    '127.0.0.1:4848:4848',
    '127.0.0.1:3080:3000',
  ])
})

t.test("Curfew shares the sandbox's network, because http is allowed only on loopback", async (t) => {
  for (const name of ['curfew', ...REPLICAS]) {
    t.equal(service(name).network_mode, 'service:sandbox', name)
    t.match(service(name).environment.QLIK_TENANT_URL, /^http:\/\/127\.0\.0\.1:/)
  }
  const ports = ['curfew', ...REPLICAS].flatMap((name) => {
    const { PORT = '3000', OPS_PORT = PORT } = service(name).environment
    return [PORT, OPS_PORT]
  })
  t.equal(new Set(ports).size, 6, 'so each needs its own ports')
})

t.test('it sets only known configuration keys, and secrets only as mounted files', async (t) => {
  const known = [...Object.keys(Environment.shape), ...SECRETS.map((key) => `${key}_FILE`)]
  for (const name of ['curfew', ...REPLICAS]) {
    const { environment, secrets: mounted } = service(name)
    const keys = Object.keys(environment)
    t.same(
      keys.filter((key) => !known.includes(key)),
      [],
    )
    t.same(
      keys.filter((key) => SECRETS.some((secret) => secret === key) && environment[key] !== ''),
      [],
    )
    const files = keys.filter((key) => key.endsWith('_FILE')).map((key) => environment[key])
    t.same(files.sort(), mounted.map((secret) => `/run/secrets/${secret}`).sort(), name)
  }
  t.notMatch(text, /env_file|--client-secret=/)
})

t.test('its secrets are exactly the demo files', async (t) => {
  const files = readdirSync(DEMO_SECRETS).filter((file) => file !== 'README.md')
  t.same(Object.keys(secrets).sort(), files.sort())
  for (const file of files) {
    t.equal(secrets[file]?.file, `./deploy/demo-secrets/${file}`)
    const content = readFileSync(join(DEMO_SECRETS, file), 'utf8').replace(/^whsec_/, '')
    t.match(`${content} ${Buffer.from(content, 'base64')}`, /demo.only.+worthless/, `${file} says what it is`)
  }
})

t.test('its configurations are valid, and the sandbox knows their client', async (t) => {
  const sandbox = readArguments(service('sandbox').command.slice(2).map(onThisMachine))
  for (const name of ['curfew', ...REPLICAS]) {
    const given = Object.entries({ ...imageEnvironment(), ...service(name).environment })
    const environment = Object.fromEntries(given.map(([key, value]) => [key, onThisMachine(value)]))
    const config = await loadConfig(environment)
    t.match(config.tenants[0], {
      origin: `http://127.0.0.1:${sandbox.sandbox.port}`,
      clients: [
        {
          clientId: sandbox.clientId,
          credentials: sandbox.clientSecrets.map((secret) => ({ kind: 'secret', secret })),
        },
      ],
    })
    t.equal(config.senders.webhookSecrets.length, 1)
    t.equal(config.senders.apiKeys.length, 1)
  }
})

t.test('the replicas connect to the database as the role that is created for them', async (t) => {
  const url = new URL(readFileSync(join(DEMO_SECRETS, 'database-url'), 'utf8'))
  t.ok(service(url.hostname).image.startsWith('postgres:'))
  const { target } = service('postgres').configs.find(({ source }) => source === 'postgres-role') ?? {}
  t.match(target, /^\/docker-entrypoint-initdb\.d\/.+\.sql$/)
  const role = read(configs['postgres-role']?.file ?? '')
  t.match(role, `CREATE ROLE ${url.username} LOGIN`)
  t.match(role, `CREATE DATABASE ${url.pathname.slice(1)} OWNER ${url.username};`)
  // sed extracts the role's password from the URL; JavaScript reads the same expression.
  const [, expression = ''] = /sed -E 's\|(.+)\|\\1\|' (\S+)/.exec(role) ?? []
  t.equal(new RegExp(expression).exec(url.href)?.[1], url.password)
  t.ok(service('postgres').secrets.includes('database-url'))
})

t.test('the proxy stops using a replica while that still drains', async (t) => {
  t.match(service('proxy').configs, [{ source: 'haproxy', target: '/usr/local/etc/haproxy/haproxy.cfg' }])
  t.equal(configs.haproxy?.file, './deploy/proxy/haproxy.cfg')
  const [, ready = '', alive = ''] = proxyConfiguration.split(/^backend .+$/m)
  const servers = REPLICAS.map((name) => {
    const { PORT, OPS_PORT } = service(name).environment
    return `${name} sandbox:${PORT} check port ${OPS_PORT}`
  })
  for (const backend of [ready, alive]) {
    t.same(
      [...backend.matchAll(/^ +server (.+)$/gm)].map((match) => match[1]),
      servers,
    )
  }
  t.match(ready, 'http-check send meth GET uri /health/ready ')
  t.match(ready, 'http-check expect status 200')
  t.match(alive, 'http-check send meth GET uri /health/live ')
  const [, inter, fall] = /inter (\d+)s fall (\d+) /.exec(ready) ?? []
  const [, timeout] = /timeout check (\d+)s/.exec(ready) ?? []
  const noticedMs = Number(fall) * (Number(inter) + Number(timeout)) * 1_000
  for (const name of REPLICAS) t.ok(Number(service(name).environment.SHUTDOWN_DRAIN_MS) > noticedMs, name)
})

t.test('the proxy waits longer than callers may, and retries only requests without an answer', async (t) => {
  const [, server] = /timeout server (\d+)s/.exec(proxyConfiguration) ?? []
  t.ok(Number(server) > 30, 'the longest Prefer: wait')
  t.match(proxyConfiguration, /^ +retry-on conn-failure empty-response$/m)
  t.match(proxyConfiguration, /^ +option redispatch 1$/m)
  const [, port] = /^ +bind :(\d+)$/m.exec(proxyConfiguration) ?? []
  t.equal(service('proxy').ports[0]?.split(':').at(-1), port)
  const [, uri] = /monitor-uri (\S+)/.exec(proxyConfiguration) ?? []
  t.equal(service('proxy').healthcheck?.test.at(-1), `http://127.0.0.1:${port}${uri}`)
})

/** Evaluates the ACLs of the proxy. */
function isForwarded(method: string, path: string): boolean {
  const matches = (acl: string) =>
    [...proxyConfiguration.matchAll(new RegExp(`^ +acl ${acl} (path|path_beg|path_reg) (.+)$`, 'gm'))].some(
      ([, kind, values = '']) =>
        values.split(' ').some((value) => {
          if (kind === 'path_reg') return new RegExp(value).test(path)
          return kind === 'path' ? path === value : path.startsWith(value)
        }),
    )
  return matches('sender') || (matches('revocation') && method === 'GET')
}

t.test('the proxy forwards only what senders need', async (t) => {
  t.match(proxyConfiguration, /^ +http-request deny deny_status 404 unless sender or revocation METH_GET$/m)
  const { call } = await startService(t)
  const { json } = await call('GET', '/openapi.json')
  const routes = Object.entries<Record<string, object>>(json.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  routes.push('GET /openapi.json', 'GET /docs', 'GET /docs/static/swagger-ui.css')
  const forwarded = routes.filter((route) => {
    const [method = '', path = ''] = route.split(' ')
    return isForwarded(method, path.replaceAll(/\{\w+\}/g, '01a22388-1504-76ec-926a-624954228b85'))
  })
  t.same(forwarded.sort(), [
    'DELETE /sessions',
    'DELETE /sessions/{sid}',
    'GET /revocations/{id}',
    'GET /sources/{name}/webhook',
    'POST /logout-hook',
    'POST /sources/{name}/backchannel-logout',
    'POST /sources/{name}/events',
    'POST /sources/{name}/global-token-revocation',
    'POST /sources/{name}/webhook',
    'POST /users/{id}/revoke-all',
    'PUT /sessions',
    'PUT /sessions/{sid}',
  ])
})

/** Replaces the container's folder for secrets by the demo's on this machine. */
function onThisMachine(value: string): string {
  return value.replace('/run/secrets', DEMO_SECRETS)
}
