import t from 'tap'
import { Deprecations } from '../../src/sandbox/deprecations.ts'
import { openSandbox } from './open-sandbox.ts'

const SUNSET = 'Tue, 30 Nov 2027 00:00:00 GMT'

t.test('a deprecation is announced to callers of earlier releases', async (t) => {
  const deprecations = new Deprecations()
  deprecations.add({ route: 'list', release: '2026-08', sunset: SUNSET, link: '<https://qlik.dev/>' })
  const told = { deprecation: 'true', sunset: SUNSET, link: '<https://qlik.dev/>' }
  for (const [version, headers] of [
    [null, told],
    ['2026-05', told],
    ['2026-08', {}],
    ['2026-11', {}],
    ['latest', {}],
    ['2025-11', told],
    ['2027-02', told],
    ['nonsense', told],
  ] as const) {
    t.strictSame(deprecations.headersFor('list', version), headers, String(version))
  }
  t.strictSame(deprecations.headersFor('revoke', null), {}, 'another route')
  deprecations.clear()
  t.strictSame(deprecations.headersFor('list', null), {})
})

t.test('it is in every response of its route, errors included', async (t) => {
  const { call, tenant } = await openSandbox(t, { tier1Limit: 4 })
  tenant.deprecations.add({ route: 'list', deprecation: '@1798761600' })
  tenant.order({ kind: 'status', status: 503, route: 'list', after: 1 })
  for (const status of [200, 503, 429]) {
    const answer = await call('GET', '/api/v1/oauth-tokens')
    t.equal(answer.status, status)
    t.equal(answer.headers.get('deprecation'), '@1798761600')
  }
  t.equal((await call('GET', '/api/v1/users/me')).headers.get('deprecation'), null)
})

t.test('another process can announce one, and clear all', async (t) => {
  const { call } = await openSandbox(t, { control: true })
  const body = { route: 'items', sunset: SUNSET }
  const made = await call('POST', '/sandbox/deprecations', { body })
  t.match(made, { status: 201, body: { route: 'items', release: '2027-02', deprecation: 'true' } })
  t.equal((await call('GET', '/api/v1/items')).headers.get('sunset'), SUNSET)
  t.equal((await call('DELETE', '/sandbox/deprecations')).status, 204)
  t.equal((await call('GET', '/api/v1/items')).headers.get('sunset'), null)
  t.equal((await call('POST', '/sandbox/deprecations', { body: { route: 'moon' } })).status, 400)
})
