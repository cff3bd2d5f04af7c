import t, { type Test } from 'tap'
import { fakeClock } from '../support/clock.ts'
import { configurationFile, entryFor, manyEntries, sandboxTenant } from '../support/config-file.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

const MINUTE = 60_000

/** A service with the given tenants and 2,000 unreachable ones. */
async function startWithMany(
  t: Test,
  entries: object[] = [],
  options: Parameters<typeof startService>[1] = {},
) {
  const { path } = configurationFile(t, { tenants: [...entries, ...manyEntries(2_000)] })
  return startService(t, { ...options, environment: { CONFIG_FILE: path } })
}

const ready = async ({ call }: Service) => call('GET', '/health/ready', { headers: { authorization: '' } })
const metrics = async ({ call }: Service) => (await call('GET', '/metrics')).text
const budgetsOf = async (service: Service) =>
  new Set(
    [...(await metrics(service)).matchAll(/^curfew_budget_remaining\{tenant="(\w+)"/gm)].map(
      ([, name]) => name,
    ),
  )

/** Polls until a tenant is reported in this way. */
async function untilCheck(service: Service, name: string, status: string) {
  for (;;) {
    const { json } = await ready(service)
    const check = json.checks.find((one: { name: string }) => one.name === name)
    if (check?.status === status) return { check, json }
  }
}

t.test('of thousands of tenants only those in use are opened', async (t) => {
  const clock = fakeClock()
  const [a, b] = [await sandboxTenant(t, 'a', clock), await sandboxTenant(t, 'b', clock)]
  const service = await startWithMany(t, [a.entry, b.entry], { clock, sandbox: { now: clock.now } })
  t.equal((await budgetsOf(service)).size, 0)
  const user = a.sandbox.tenant.addUser()
  a.sandbox.tenant.issueTokens(user.id, 2)
  const ended = await service.revoke({ userId: user.id, tenant: 'a' })
  t.match(ended, { tenant: 'a', verified: true, tokens: { revoked: 2 } })
  t.same(await budgetsOf(service), new Set(['a']))
  t.equal(b.sandbox.tenant.calls.length, 0, 'nothing was asked of another one')
  t.match((await ready(service)).json, {
    status: 'ready',
    checks: [{}, {}, { name: 'tenants', status: 'ok', detail: '2,003 ok or not checked' }],
  })

  await service.call('GET', '/revocations')
  t.same(await budgetsOf(service), new Set(['a']), 'to look at revocations opens nothing')
  clock.advance(11 * MINUTE)
  t.same(await budgetsOf(service), new Set())
  t.notMatch(await metrics(service), /^curfew_backlog\{/m)
  t.match(
    await metrics(service),
    /^curfew_revocations_total\{tenant="a",status="completed",outcome="revoked"\} 1$/m,
  )
})

t.test('readiness lists up to twenty tenants that are not ok, and their number', async (t) => {
  const lacking = await sandboxTenant(t, 'lacking')
  lacking.sandbox.tenant.users.get(lacking.client.userId)?.roles.splice(0)
  const down = Array.from({ length: 25 }, (_, index) => entryFor(`down${index}`))
  const service = await startWithMany(t, [lacking.entry, ...down])
  const body = (tenant: string) => ({ body: { userId: 'u1', tenant } })
  await service.call('POST', '/logout-hook', body('lacking'))
  const { check, json } = await untilCheck(service, 'tenant:lacking', 'warning')
  t.match(check, { detail: /Assign the role TenantAdmin/ })
  t.equal(json.status, 'ready', 'signals for all the others are still taken')
  for (const { name } of down) await service.call('POST', '/logout-hook', body(name))
  for (;;) {
    const { status, json } = await ready(service)
    const [, , summary, ...listed] = json.checks
    if (summary.detail !== '2,001 ok or not checked, 26 not ok') continue
    t.equal(status, 200)
    t.equal(summary.status, 'warning')
    t.equal(listed.length, 20)
    break
  }
})

t.test('a missing role is a warning in some tenants, and a failure in all of them', async (t) => {
  const other = await sandboxTenant(t, 'other')
  const { path } = configurationFile(t, { tenants: [other.entry] })
  const service = await startService(t, { client: { admin: false }, environment: { CONFIG_FILE: path } })
  const one = await untilCheck(service, 'tenant:default', 'warning')
  t.equal(one.json.status, 'ready')
  await untilCheck(service, 'tenant:other', 'ok')

  const second = await sandboxTenant(t, 'second')
  second.sandbox.tenant.users.get(second.client.userId)?.roles.splice(0)
  const both = configurationFile(t, { tenants: [second.entry] })
  const hopeless = await startService(t, {
    client: { admin: false },
    environment: { CONFIG_FILE: both.path },
  })
  const { json } = await untilCheck(hopeless, 'tenant:second', 'failed')
  t.equal(json.status, 'not-ready')
})

t.test('an API key is found among thousands', async (t) => {
  const apiKeys = Array.from({ length: 5_000 }, (_, index) => ({
    key: `key-number-${index}-0123456789abcdef`,
    tenants: [`t${index % 2_000}`],
  }))
  const { path } = configurationFile(t, { tenants: manyEntries(2_000), apiKeys })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  const send = (key: string) =>
    service.call('POST', '/logout-hook', {
      headers: { authorization: `Bearer ${key}` },
      body: { userId: 'u1' },
    })
  t.match((await send('key-number-4321-0123456789abcdef')).json, { tenant: 't321' })
  t.match((await send(API_KEY)).json, { tenant: 'default' })
  t.equal((await send('key-number-5000-0123456789abcdef')).status, 401)
})
