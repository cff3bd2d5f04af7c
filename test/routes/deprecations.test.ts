import t from 'tap'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { startService } from '../support/service.ts'

const SUNSET = 'Tue, 30 Nov 2027 00:00:00 GMT'

t.test('deprecated endpoints are reported in the log, in health and in a metric only', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  tenant.deprecations.add({
    route: 'list',
    sunset: SUNSET,
    link: '<https://qlik.dev/changelog/1>; rel="deprecation", <https://marker.example>; rel="x"',
  })
  tenant.deprecations.add({ route: 'revoke', deprecation: 'marker, with more of it' })
  for (const count of [2, 1]) {
    const user = service.userWithTokens(count)
    t.match(await service.revoke({ userId: user.id }), { verified: true, tokens: { revoked: count } })
  }
  const lines = service.logLines.filter((line) => line.includes('deprecated')).map((line) => JSON.parse(line))
  t.match(lines, [
    { level: 40, tenant: 'default', route: 'list', since: null, sunset: '2027-11-30T00:00:00.000Z' },
    { level: 40, tenant: 'default', route: 'revoke', since: null, sunset: null, link: null },
  ])
  t.equal(lines.length, 2)
  t.equal(lines[0].link, 'https://qlik.dev/changelog/1')
  const health = await service.call('GET', '/health/ready')
  t.equal(health.status, 200)
  t.match(health.json, {
    status: 'ready',
    checks: [
      {},
      {},
      {
        name: 'tenant:default',
        status: 'warning',
        detail:
          'Qlik Cloud has deprecated endpoints that Curfew calls: list (not removed before 2027-11-30T00:00:00.000Z), ' +
          'revoke. Look for a newer version of Curfew.',
      },
    ],
  })
  const metrics = (await service.call('GET', '/metrics')).text
  const samples = [...metrics.matchAll(/^curfew_qlik_deprecated\{.*/gm)].map(([line]) => line)
  t.same(samples, [
    'curfew_qlik_deprecated{tenant="default",route="list"} 1',
    'curfew_qlik_deprecated{tenant="default",route="revoke"} 1',
  ])
  t.notMatch(service.logLines.join('') + health.text + metrics, 'marker')
})

t.test('each call sends the configured release, for all tenants or for one', async (t) => {
  for (const [environment, entry, versions] of [
    [{}, {}, { default: '2026-11', other: '2026-11' }],
    [{ QLIK_API_VERSION: 'none' }, { apiVersion: '2026-08' }, { default: null, other: '2026-08' }],
    [{ QLIK_API_VERSION: 'latest' }, { apiVersion: 'none' }, { default: 'latest', other: null }],
  ] as const) {
    const file = configurationFile(t, { tenants: [] })
    const service = await startService(t, { environment: { ...environment, CONFIG_FILE: file.path } })
    const { tenant } = service.sandbox
    const other = tenant.addClient()
    file.write({ tenants: [{ ...entryFor('other', service.sandbox.url, other), ...entry }] })
    await service.call('POST', '/config/reload')
    for (const name of ['default', 'other']) {
      const user = service.userWithTokens(1, { email: `${name}@example.com` })
      await service.revoke({ email: user.email, tenant: name })
    }
    for (const [name, userId] of [
      ['default', service.client.userId],
      ['other', other.userId],
    ] as const) {
      const calls = tenant.calls.filter((call) => call.userId === userId)
      for (const route of ['token', 'me', 'users', 'list', 'revoke'])
        t.ok(
          calls.some((call) => call.route === route),
          `${name}: ${route}`,
        )
      t.same([...new Set(calls.map(({ apiVersion }) => apiVersion))], [versions[name]], name)
    }
  }
})

t.test('by default no endpoint of the release is deprecated', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.deprecations.add({ route: 'list', release: '2026-11', sunset: SUNSET })
  await service.revoke({ userId: service.userWithTokens(1).id })
  t.notMatch(service.logLines.join(''), 'deprecated')
})
