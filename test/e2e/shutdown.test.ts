import t, { type Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { nextCall } from '../support/events.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { databaseUrl, environmentFor, request, settledAt } from '../support/service.ts'

async function setUp(t: Test, more: Record<string, string> = {}) {
  const sandbox = await startSandbox({ latencyMs: 2 })
  t.teardown(() => sandbox.close())
  const environment = environmentFor(sandbox, sandbox.tenant.addClient(), databaseUrl(t), more)
  const service = await startProcess(t, environment)
  const userWithTokens = (count: number) => {
    const user = sandbox.tenant.addUser()
    sandbox.tenant.issueTokens(user.id, count)
    return user
  }
  return { sandbox, environment, service, userWithTokens }
}

t.test('SIGTERM in mid-run answers requests in flight, puts the run back and exits 0', async (t) => {
  const { sandbox, environment, service, userWithTokens } = await setUp(t, { REVOKE_CONCURRENCY: '2' })
  const user = userWithTokens(60)
  const waiting = request(service.url, 'POST', '/logout-hook', {
    body: { userId: user.id },
    headers: { prefer: 'wait=30' },
  })
  await nextCall(sandbox, () => sandbox.tenant.tokensOf(user.id).length < 50)
  t.equal(await service.end('SIGTERM'), 0)
  const { status, json } = await waiting
  t.equal(status, 202, 'the waiting caller is answered')
  const left = sandbox.tenant.tokensOf(user.id).length
  t.ok(left > 0, 'the run was not complete')
  const again = await startProcess(t, environment)
  const ended = await settledAt(again.url, json.id)
  t.match(ended.json, { status: 'completed', verified: true, attempts: 1, error: null })
  t.equal(sandbox.tenant.tokensOf(user.id).length, 0)
  t.equal(await again.end('SIGTERM'), 0)
})

t.test('SIGTERM waits neither for a hanging tenant nor for a hanging client', async (t) => {
  const { sandbox, service, userWithTokens } = await setUp(t, { SHUTDOWN_GRACE_MS: '5000' })
  sandbox.tenant.order({ kind: 'hang', route: 'list', times: Number.POSITIVE_INFINITY })
  const arrived = nextCall(sandbox, ({ route }) => route === 'list', 'arrived')
  await request(service.url, 'POST', '/logout-hook', { body: { userId: userWithTokens(1).id } })
  await arrived
  const { connect } = await import('node:net')
  const { port } = new URL(service.url)
  const slow = connect(Number(port), '127.0.0.1')
  t.teardown(() => slow.destroy())
  slow.on('error', () => {})
  await new Promise((resolve) => slow.write('POST /logout-hook HTTP/1.1\r\nHost: x\r\nContent-Le', resolve))
  t.equal(await service.end('SIGTERM'), 0)
})

t.test('while draining, it serves new connections but reports that it is not ready', async (t) => {
  // If the grace period began at the signal, it would exit 1.
  const { service } = await setUp(t, { SHUTDOWN_DRAIN_MS: '3000', SHUTDOWN_GRACE_MS: '2500' })
  await request(service.url, 'GET', '/health/live')
  const signalledAt = performance.now()
  const code = service.end('SIGTERM')
  const ready = () => request(service.url, 'GET', '/health/ready')
  let reply = await ready()
  while (reply.status === 200) reply = await ready()
  t.equal(reply.status, 503)
  t.match(reply.json.checks[0], { name: 'lifecycle', status: 'failed', detail: 'shutting down' })
  t.equal(reply.headers.get('connection'), 'close', 'a kept connection would reach this process again')
  const accepted = await request(service.url, 'POST', '/logout-hook', { body: { userId: 'u1' } })
  t.equal(accepted.status, 202)
  t.equal(accepted.headers.get('connection'), 'close')
  t.equal((await request(service.url, 'GET', '/health/live')).status, 200)
  t.equal(await code, 0)
  t.ok(performance.now() - signalledAt >= 3_000, 'not before the drain has ended')
})

const logged = async ({ output }: ServiceProcess, text: string) => {
  while (!output().includes(text)) await new Promise((resolve) => setImmediate(resolve))
}

t.test('a second signal ends the drain at once, unless it repeats the first one immediately', async (t) => {
  const { service } = await setUp(t, { SHUTDOWN_DRAIN_MS: '600000' })
  service.process.kill('SIGTERM')
  await logged(service, 'shutting down')
  service.process.kill('SIGTERM')
  await logged(service, 'another signal ends the process')
  t.equal(service.process.exitCode, null)
  t.equal(await service.end('SIGTERM'), 1)
})

t.test('a second signal ends the process at once', async (t) => {
  const { service } = await setUp(t)
  const { connect } = await import('node:net')
  const slow = connect(Number(new URL(service.url).port), '127.0.0.1')
  t.teardown(() => slow.destroy())
  slow.on('error', () => {})
  await new Promise((resolve) => slow.write('GET / HTTP/1.1\r\nHost: x\r\n', resolve))
  await request(service.url, 'GET', '/health/live')
  service.process.kill('SIGINT')
  await logged(service, 'another signal ends the process')
  t.equal(await service.end('SIGINT'), 1)
})
