import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'
import { type Service, startService } from '../support/service.ts'

const metric = async ({ call }: Service, name: string) => {
  const { text } = await call('GET', '/metrics', { headers: { authorization: '' } })
  const [, value = ''] = new RegExp(`^${name}\\{tenant="default"\\} (\\S+)$`, 'm').exec(text) ?? []
  return value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
}

/** Polls until the status of the tenant fulfils a condition. */
// biome-ignore lint/suspicious/noExplicitAny: JSON that is only read
async function untilStatus({ call }: Service, holds: (tenant: any) => boolean) {
  for (;;) {
    const { json } = await call('GET', '/status')
    if (holds(json.tenants[0])) return json.tenants[0]
  }
}

t.test('an idle tenant has no backlog and all its permits', async (t) => {
  const service = await startService(t)
  const { status, json } = await service.call('GET', '/status')
  t.equal(status, 200)
  const none = { queued: 0, running: 0, tokens: 0, uncounted: 0 }
  t.match(json.tenants, [
    {
      tenant: 'default',
      backlog: { security: none, logout: none, 'session-expired': none },
      remainingTokens: 0,
      permits: { perWindow: 500, nextAt: null },
      ...{ blockedUntil: null, estimatedCompletionAt: null, oldestQueuedAt: null, waitingFor: null },
    },
  ])
  t.equal(await metric(service, 'curfew_backlog_completion_seconds'), 0)
  t.equal(await metric(service, 'curfew_oldest_queued_seconds'), 0)
  t.equal(await metric(service, 'curfew_blocked_seconds'), 0)
})

t.test(
  'a tenant without permits shows when the next are available and when the backlog is empty',
  async (t) => {
    const clock = fakeClock()
    const service = await startService(t, {
      clock,
      sandbox: { now: clock.now },
      environment: { QLIK_TIER2_LIMIT: '10' },
    })
    const user = service.userWithTokens(35)
    const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
    // One of ten permits is used for the access token.
    const tenant = await untilStatus(service, ({ remainingTokens }) => remainingTokens === 26)
    t.match(tenant, {
      backlog: { logout: { queued: 0, running: 1, tokens: 26, uncounted: 0 } },
      permits: { available: 0, perWindow: 10 },
      waitingFor: { what: 'budget' },
    })
    const next = Date.parse(tenant.permits.nextAt)
    t.ok(next > clock.now() + 290_000 && next <= clock.now() + 300_000)
    t.equal(Date.parse(tenant.estimatedCompletionAt) - next, 600_000, '26 tokens take three windows')
    const shown = (await service.call('GET', `/revocations/${json.id}`)).json
    t.equal(shown.estimatedCompletionAt, tenant.estimatedCompletionAt)
    t.ok((await metric(service, 'curfew_backlog_completion_seconds')) >= 890)
  },
)

t.test('all queued revocations have an estimate, the more urgent ones an earlier one', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, {
    clock,
    sandbox: { now: clock.now },
    environment: { QLIK_TIER2_LIMIT: '10', REVOKE_CONCURRENCY: '1' },
  })
  const users = Array.from({ length: 100 }, () => ({ userId: service.userWithTokens(1).id }))
  await service.call('POST', '/revocations', { body: { users, reason: 'session-expired' } })
  await untilStatus(service, ({ permits }) => permits.available === 0)
  const { json } = await service.call('GET', '/revocations?status=queued&limit=1000')
  const times = json.items.map((one: { estimatedCompletionAt: string }) =>
    Date.parse(one.estimatedCompletionAt),
  )
  t.ok(times.length > 80 && times.every((at: number) => at > clock.now() + 290_000))
  t.ok(Math.max(...times) > clock.now() + 2_000_000, 'the last after several windows')
  const urgent = await service.call('POST', '/logout-hook', {
    body: { userId: service.userWithTokens(1).id, reason: 'security' },
  })
  const shown = (await service.call('GET', `/revocations/${urgent.json.id}`)).json
  t.ok(Date.parse(shown.estimatedCompletionAt) <= Math.min(...times) + 1_000, 'in the next window')
})

t.test('if the client is refused, there is no estimate, and the reason is given', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now }, client: { admin: false } })
  const user = service.userWithTokens(1)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  const tenant = await untilStatus(service, ({ waitingFor }) => waitingFor?.what === 'client-refused')
  t.match(tenant, { estimatedCompletionAt: null, remainingTokens: 0 })
  t.match((await service.call('GET', `/revocations/${json.id}`)).json, {
    estimatedCompletionAt: null,
    waitingFor: { what: 'client-refused' },
  })
  t.equal(await metric(service, 'curfew_backlog_completion_seconds'), Number.POSITIVE_INFINITY)
})

t.test('a tenant can be named; an unknown one is an error', async (t) => {
  const { call } = await startService(t)
  t.equal((await call('GET', '/status?tenant=default')).json.tenants.length, 1)
  isProblem(t, await call('GET', '/status?tenant=other'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await call('GET', '/status?unknown=1'), 'CURFEW_REQUEST_INVALID')
  isProblem(t, await call('GET', '/status', { headers: { authorization: '' } }), 'CURFEW_UNAUTHENTICATED')
})
