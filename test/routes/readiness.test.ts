import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { databaseUrl, type Service, startService } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

const RECHECK_MS = 30_000

async function tenantCheck({ call }: Service) {
  const { status, json } = await call('GET', '/health/ready', { headers: { authorization: '' } })
  return { status, check: json.checks.find(({ name }: { name: string }) => name === 'tenant:default') }
}

/** Polls until the first attempt has ended and the next one is waiting. */
async function untilWaiting({ call }: Service, id: string) {
  for (;;) {
    const { json } = await call('GET', `/revocations/${id}`)
    if (json.nextAttemptAt !== null) return json
  }
}

t.test(
  'a client without TenantAdmin: not ready, nothing completed, until the role is assigned',
  async (t) => {
    const clock = fakeClock()
    const service = await startService(t, {
      clock,
      sandbox: { now: clock.now },
      client: { admin: false },
      random: () => 1,
    })
    const { tenant } = service.sandbox
    const ann = service.userWithTokens(2, { id: 'ann' })
    const { json } = await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
    t.match(await untilWaiting(service, json.id), {
      status: 'queued',
      verified: false,
      error: { code: 'CURFEW_CLIENT_NOT_ADMIN', action: /TenantAdmin/ },
    })
    const lacking = await tenantCheck(service)
    t.equal(lacking.status, 503)
    t.match(lacking.check, {
      status: 'failed',
      detail: /^The OAuth client cannot see.* the role TenantAdmin to the bot user/,
    })
    const dryRun = await service.call('POST', '/users/ann/revoke-all?dryRun=true')
    t.match(dryRun.json, { status: 502, code: 'CURFEW_CLIENT_NOT_ADMIN' })
    t.equal(
      (await service.call('POST', '/logout-hook', { body: { userId: 'ben' } })).status,
      202,
      'still taken',
    )
    t.equal(tenant.tokensOf(ann.id).length, 2)
    t.same((await service.call('GET', '/revocations?status=completed')).json.items, [])

    tenant.users.get(service.client.userId)?.roles.push('TenantAdmin')
    clock.advance(RECHECK_MS)
    t.match(await service.settled(json.id), {
      status: 'completed',
      verified: true,
      tokens: { revoked: 2 },
      error: null,
    })
    t.same(tenant.tokensOf(ann.id), [])
    const proven = await tenantCheck(service)
    t.equal(proven.status, 200)
    t.same(proven.check, { name: 'tenant:default', status: 'ok' })
  },
)

t.test('roles unreported and no other tokens visible: a warning, and nothing is claimed', async (t) => {
  const service = await startService(t, { client: { admin: false, rolesReported: false } })
  service.userWithTokens(2, { id: 'ann' })
  t.match(await service.revoke({ userId: 'ann' }), {
    status: 'completed',
    outcome: 'none-visible',
    verified: false,
    tokens: { found: 0 },
  })
  const { status, check } = await tenantCheck(service)
  t.equal(status, 200)
  t.match(check, {
    status: 'warning',
    detail: /cannot determine whether.* Check that it has the role TenantAdmin/,
  })
  const warned = service.logLines.map((line) => JSON.parse(line)).filter(({ power }) => power === 'unknown')
  t.match(warned, [{ level: 40, tenant: 'default' }])
})

t.test('roles unreported, but a token of another user is visible: that proves the role', async (t) => {
  const service = await startService(t, { client: { rolesReported: false } })
  service.userWithTokens(2, { id: 'ann' })
  service.userWithTokens(1, { id: 'ben' })
  t.match(await service.revoke({ userId: 'ann' }), { outcome: 'revoked', verified: true })
  t.match(await service.revoke({ userId: 'ann' }), { outcome: 'nothing-to-revoke', verified: true })
  t.match(await tenantCheck(service), { status: 200, check: { status: 'ok' } })
})

t.test('it is not ready while nothing can be claimed, though signals could be stored', async (t) => {
  const database = databaseUrl(t)
  const path = database.replace('sqlite:', '')
  const store = openSqliteStore(path)
  await store.accept([aSignal()], null, T0)
  await store.close()
  const broken = new DatabaseSync(path)
  broken.exec(`UPDATE revocations SET scope = 'of another version'`)
  broken.close()
  const clock = fakeClock()
  const service = await startService(t, { clock, environment: { DATABASE_URL: database } })
  const failures = () => service.logLines.filter((line) => line.includes('could not claim')).length
  for (const failed of [1, 2, 3]) {
    while (failures() < failed) await service.call('GET', '/health/live')
    t.equal((await service.call('GET', '/health/ready')).status, failed < 3 ? 200 : 503, `${failed}`)
    clock.advance(1_000)
  }
})
