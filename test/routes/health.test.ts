import { once } from 'node:events'
import { connect } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

const ready = ({ call }: Service) => call('GET', '/health/ready', { headers: { authorization: '' } })

/** Polls until the tenant has been checked. */
async function untilLookedAt(service: Service) {
  for (;;) {
    const reply = await ready(service)
    const tenant = reply.json.checks.find(({ name }: { name: string }) => name === 'tenant:default')
    if (tenant.detail !== 'not checked yet') return { ...reply, tenant }
  }
}

t.test('the process is live, and ready once its store and tenant are', async (t) => {
  const service = await startService(t)
  const live = await service.call('GET', '/health/live', { headers: { authorization: '' } })
  t.equal(live.status, 200)
  t.same(live.json, { status: 'live' })
  await untilLookedAt(service)
  const { status, json } = await ready(service)
  t.equal(status, 200)
  const checks = ['lifecycle', 'store', 'tenant:default'].map((name) => ({ name, status: 'ok' }))
  t.same(json, { status: 'ready', checks })
})

t.test('a tenant that is down is a warning, because signals are still accepted', async (t) => {
  const down = await startSandbox()
  const client = down.tenant.addClient()
  await down.close()
  const service = await startService(t, { share: { sandbox: down, client } })
  const { status, tenant, text } = await untilLookedAt(service)
  t.equal(status, 200)
  t.match(tenant, { status: 'warning', detail: 'No response to POST token: ECONNREFUSED.' })
  for (const secret of [new URL(down.url).host, '127.0.0.1', client.id, client.secret])
    t.notMatch(text, secret)
})

t.test('a rejected client is a warning with the reason', async (t) => {
  const service = await startService(t, { environment: { QLIK_CLIENT_SECRET: 'another-secret' } })
  const { status, tenant, text } = await untilLookedAt(service)
  t.equal(status, 200)
  t.match(tenant, { status: 'warning', detail: /token/ })
  t.notMatch(text, 'another-secret')
})

t.test("a tenant's clock that differs is a warning", async (t) => {
  const service = await startService(t, { sandbox: { clockSkewMs: 60_000 } })
  const { tenant } = await untilLookedAt(service)
  t.match(tenant, {
    status: 'warning',
    detail: /^The tenant's clock differs by (59|60|61) s\. Synchronize the clock/,
  })
})

/** The error of SQLite on a full disk, which a test cannot produce without its own disk. */
function fillDisk(): () => void {
  const { exec } = DatabaseSync.prototype
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    if (sql === 'COMMIT') {
      throw Object.assign(new Error('database or disk is full'), {
        errcode: 13,
        errstr: 'database or disk is full',
      })
    }
    return exec.call(this, sql)
  }
  return () => {
    DatabaseSync.prototype.exec = exec
  }
}

t.test('an unwritable store is reported to senders and in readiness until it recovers', async (t) => {
  const service = await startService(t)
  await service.revoke({ userId: 'u0' })
  const emptyDisk = fillDisk()
  t.teardown(emptyDisk)
  for (const [path, body] of [
    ['/logout-hook', { userId: 'u1' }],
    ['/users/u1/revoke-all', {}],
    ['/revocations', { users: [{ userId: 'u1' }] }],
  ] as const) {
    const reply = await service.call('POST', path, { body, headers: { 'idempotency-key': '"key"' } })
    isProblem(t, reply, 'CURFEW_STORE_UNAVAILABLE')
    t.equal(reply.headers.get('retry-after'), '5')
  }
  const { status, json } = await ready(service)
  t.equal(status, 503)
  t.match(json, {
    status: 'not-ready',
    checks: [
      { name: 'lifecycle', status: 'ok' },
      { name: 'store', status: 'failed' },
    ],
  })
  t.equal((await service.call('GET', '/health/live')).status, 200, 'a restart would not help')

  emptyDisk()
  t.equal((await ready(service)).status, 200)
  t.equal((await service.call('GET', '/revocations')).json.items.length, 1, 'nothing was half taken')
  t.match(await service.revoke({ userId: 'u1' }), { status: 'completed' })
})

t.test('while it shuts down it is not ready, but still accepts requests', async (t) => {
  const { app, url } = await startService(t)
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const arrived = once(app.server, 'request')
  socket.write(
    `POST /logout-hook HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${API_KEY}\r\n` +
      'content-type: application/json\r\ncontent-length: 15\r\n\r\n{"userId"',
  )
  await arrived
  const closed = app.close()
  socket.write(':"u1"}GET /health/ready HTTP/1.1\r\nhost: a\r\n\r\n')
  const answers = await text(socket)
  t.match(answers, /^HTTP\/1\.1 202 Accepted\r\n/)
  t.match(answers, /HTTP\/1\.1 503 Service Unavailable\r\n/)
  t.match(answers, '{"name":"lifecycle","status":"failed","detail":"shutting down"}')
  await closed
})
