import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { nextCall } from '../support/events.ts'
import { type Service, startService } from '../support/service.ts'

const SECOND = 1_000
const MINUTE = 60_000

const statusesOf = ({ sandbox }: Service) => new Set(sandbox.tenant.calls.map(({ status }) => status))

/** Waits until the service reports that the tier has no room. */
async function tierIsBlocked(service: Service, tier: 1 | 2): Promise<void> {
  const line = new RegExp(`^curfew_budget_remaining\\{.*tier="${tier}".*\\} 0$`, 'm')
  while (!line.test((await service.call('GET', '/metrics')).text));
}

for (const [name, fault, waitMs] of [
  ['in seconds', { seconds: 13 }, 13_000],
  ['as a date', { seconds: 40, retryAfter: 'date' }, 40_000],
  ['missing', { retryAfter: 'missing' }, 30_000],
  ['longer than the window', { seconds: 900 }, 900_000],
] as const) {
  t.test(`a 429 with Retry-After ${name} blocks its tier, and the other tier continues`, async (t) => {
    // At a whole second, a Date header shows the exact time, so a date must be waited for in full.
    const clock = fakeClock(Math.ceil(Date.now() / SECOND) * SECOND)
    const service = await startService(t, { clock, sandbox: { now: clock.now } })
    const { tenant } = service.sandbox
    const user = service.userWithTokens(3)
    const other = service.userWithTokens(2)
    tenant.order({ kind: 'rate-limited', route: 'revoke', after: 2, blocks: true, ...fault })
    const refused = nextCall(service.sandbox, ({ status }) => status === 429)
    const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
    await refused
    await tierIsBlocked(service, 2)
    const dryRun = await service.call('POST', `/users/${other.id}/revoke-all?dryRun=true`)
    t.equal(dryRun.json.tokens.length, 2, 'tier 1 continues')
    clock.advance(waitMs - 10)
    await service.call('POST', `/users/${other.id}/revoke-all?dryRun=true`)
    t.equal(tenant.tokensOf(user.id).length, 1, 'no calls before the time')
    const waiting = (await service.call('GET', `/revocations/${json.id}`)).json
    t.match(waiting, { status: 'running', attempts: 1, nextAttemptAt: null })
    clock.advance(20)
    t.match(await service.settled(json.id), {
      status: 'completed',
      verified: true,
      attempts: 1,
      tokens: { revoked: 3 },
    })
    t.equal(tenant.calls.filter(({ status }) => status === 429).length, 1)
  })
}

for (const [name, retryAfter] of [
  ['in seconds', 'seconds'],
  ['as a date', 'date'],
] as const) {
  t.test(
    `an absurd Retry-After ${name} is capped at 15 minutes; then one call probes, and again`,
    async (t) => {
      const clock = fakeClock()
      const service = await startService(t, {
        clock,
        sandbox: { now: clock.now },
        environment: { REVOKE_CONCURRENCY: '4' },
      })
      const { tenant } = service.sandbox
      const user = service.userWithTokens(20)
      const revoking = () => tenant.calls.filter(({ route }) => route === 'revoke').length
      const isRefused = ({ status }: { status: number | null }) => status === 429
      const seconds = 99_999_999_999
      tenant.order({ kind: 'rate-limited', route: 'revoke', after: 5, blocks: true, seconds, retryAfter })
      const refused = nextCall(service.sandbox, isRefused)
      const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
      await refused
      await tierIsBlocked(service, 2)
      const at = clock.now() + 15 * MINUTE
      const lines = () =>
        service.logLines.filter((line) => line.includes('rate limit reached')).map((line) => JSON.parse(line))
      const shown = (await service.call('GET', `/revocations/${json.id}`)).json
      t.equal(shown.waitingFor.what, 'qlik-rate-limit')
      t.ok(Math.abs(Date.parse(shown.waitingFor.until) - at) <= SECOND, shown.waitingFor.until)
      t.match(lines(), [{ level: 40, tenant: 'default', tier: 2 }])
      t.equal(lines().length, 1, 'not one line per refused call')
      t.ok(lines()[0].askedMs > 24 * 60 * MINUTE)
      const health = await service.call('GET', '/health/ready')
      t.equal(health.status, 200)
      t.match(health.text, /"status":"warning","detail":"Qlik Cloud limits the rate: no tier 2 calls until/)
      const metrics = (await service.call('GET', '/metrics')).text
      const samples = /^curfew_qlik_blocked_until_timestamp_seconds\{.*tier="(.)"\} (.*)$/gm
      const until = new Map([...metrics.matchAll(samples)].map(([, tier, value]) => [tier, Number(value)]))
      t.equal(until.get('1'), 0)
      t.ok(Math.abs(Number(until.get('2')) - at / 1000) < 1)

      const before = revoking()
      clock.advance(15 * MINUTE - SECOND)
      await service.call('POST', `/users/${user.id}/revoke-all?dryRun=true`)
      t.equal(revoking(), before, 'no calls before the time')
      const refusedAgain = nextCall(service.sandbox, isRefused)
      clock.advance(SECOND + 10)
      await refusedAgain
      await tierIsBlocked(service, 2)
      while (lines().length < 2) await service.call('GET', '/health/live')
      t.equal(revoking(), before + 1, 'exactly one call')

      tenant.limiter.lift(service.client.userId, 2)
      clock.advance(15 * MINUTE + 10)
      t.match(await service.ended(json.id), {
        status: 'completed',
        verified: true,
        attempts: 1,
        tokens: { revoked: 20 },
        waitingFor: null,
      })
      t.ok(tenant.calls.filter(isRefused).length <= 5, 'those under way, and the probe')
    },
  )
}

t.test('a 429 on a list blocks lists, and deletes under way continue', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, {
    clock,
    sandbox: { now: clock.now },
    environment: { REVOKE_CONCURRENCY: '1' },
  })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(120)
  const other = service.userWithTokens(20)
  const revoked = nextCall(service.sandbox, ({ route }) => route === 'revoke')
  await service.call('POST', '/logout-hook', { body: { userId: other.id } })
  await revoked
  tenant.order({ kind: 'rate-limited', route: 'list', after: 1, seconds: 10 })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await nextCall(service.sandbox, () => tenant.tokensOf(other.id).length === 0)
  await tierIsBlocked(service, 1)
  t.equal(tenant.tokensOf(user.id).length, 120, 'all are listed before the first is revoked')
  clock.advance(10_010)
  t.match(await service.settled(json.id), { status: 'completed', verified: true, tokens: { revoked: 120 } })
})

t.test('after a 429, the token endpoint is called again once the wait is over', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(1)
  t.match(await service.revoke({ userId: user.id }), { status: 'completed' })
  tenant.expireAccessTokens(service.client.id)
  tenant.order({ kind: 'rate-limited', route: 'token', seconds: 7 })
  tenant.issueTokens(user.id, 1)
  const refused = nextCall(service.sandbox, ({ status }) => status === 429)
  const { json } = await service.call('POST', `/users/${user.id}/revoke-all`)
  await refused
  await tierIsBlocked(service, 2)
  clock.advance(7_010)
  t.match(await service.ended(json.id), { status: 'completed', attempts: 1 })
})

t.test('a used-up budget is waited for, window by window, without causing a 429', async (t) => {
  const limits = { tier2Limit: 20, windowMs: 700 }
  const service = await startService(t, {
    sandbox: limits,
    environment: { QLIK_TIER2_LIMIT: '20', QLIK_RATE_WINDOW_MS: '700' },
  })
  const user = service.userWithTokens(50)
  const started = performance.now()
  t.match(await service.revoke({ userId: user.id }), { verified: true, attempts: 1, tokens: { revoked: 50 } })
  t.ok(performance.now() - started >= 1_400, 'two windows had to pass')
  t.notOk(statusesOf(service).has(429))
})

t.test('a restart remembers the calls of the last window', async (t) => {
  const limits = { tier2Limit: 10, windowMs: 1_500 }
  const environment = { QLIK_TIER2_LIMIT: '10', QLIK_RATE_WINDOW_MS: '1500', QLIK_TIMEOUT_MS: '100' }
  const first = await startService(t, { sandbox: limits, environment })
  await first.revoke({ userId: first.userWithTokens(9).id })
  await first.app.close()
  const { DATABASE_URL = '' } = first.environment
  const second = await startService(t, { share: first, environment: { ...environment, DATABASE_URL } })
  const user = second.userWithTokens(5)
  t.match(await second.revoke({ userId: user.id }), { verified: true })
  // Not how many were revoked: on a busy machine, a delete may time out and be repeated.
  t.same(second.sandbox.tenant.tokensOf(user.id), [])
  t.notOk(statusesOf(first).has(429))
})

t.test('a more urgent revocation is served first, whatever the number waiting for the budget', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, {
    clock,
    sandbox: { now: clock.now },
    environment: { QLIK_TIER2_LIMIT: '5', REVOKE_CONCURRENCY: '2' },
  })
  const { tenant } = service.sandbox
  const ids: string[] = []
  for (let index = 0; index < 10; index += 1) {
    const user = service.userWithTokens(3)
    const { json } = await service.call('POST', '/logout-hook', {
      body: { userId: user.id, reason: 'session-expired' },
    })
    ids.push(json.id)
  }
  await tierIsBlocked(service, 2)
  const urgent = service.userWithTokens(3)
  const { json } = await service.call('POST', `/users/${urgent.id}/revoke-all`)
  await nextCall(service.sandbox, ({ path }) => path.includes(urgent.id))
  while ((await service.call('GET', `/revocations/${json.id}`)).json.status !== 'running');
  clock.advance(300_010)
  t.match(await service.ended(json.id), { status: 'completed', tokens: { revoked: 3 } })
  t.equal(tenant.tokensOf(urgent.id).length, 0)
  const { items } = (await service.call('GET', '/revocations?status=completed')).json
  t.ok(items.length <= 3, 'the others are still waiting')
})

t.test(
  'a reload changes the one budget that active runs use, and Qlik counts no more than it allows',
  async (t) => {
    const clock = fakeClock()
    const file = configurationFile(t, { tenants: [] })
    const service = await startService(t, {
      clock,
      sandbox: { now: clock.now, tier2Limit: 20 },
      environment: { CONFIG_FILE: file.path, QLIK_TIER2_LIMIT: '20', REVOKE_CONCURRENCY: '4' },
    })
    const { tenant } = service.sandbox
    const client = tenant.addClient()
    const configure = async (change: { name?: string; tier2Limit?: number; concurrency?: number }) => {
      file.write({ tenants: [{ ...entryFor('a', service.sandbox.url, client), ...change }] })
      t.equal((await service.call('POST', '/config/reload')).status, 200)
    }
    const logOut = (tokens: number, name = 'a') =>
      service.call('POST', '/logout-hook', {
        body: { userId: service.userWithTokens(tokens).id, tenant: name },
      })
    const counted = () =>
      tenant.calls.filter(({ tier, userId }) => tier === 2 && userId === client.userId).length
    const untilCounted = async (count: number) => {
      while (counted() < count) await service.call('GET', '/health/live')
      // By then, all calls that could be made have been made.
      for (let turn = 0; turn < 20; turn += 1) await service.call('GET', '/health/live')
      t.equal(counted(), count)
    }
    await configure({})
    await logOut(60)
    await untilCounted(20)
    await configure({ tier2Limit: 10 })
    await logOut(60)
    clock.advance(300_010)
    await untilCounted(30)
    await configure({ concurrency: 8 })
    await untilCounted(40)
    await configure({ name: 'renamed' })
    await logOut(60, 'renamed')
    clock.advance(300_010)
    await untilCounted(60)
    t.notOk(statusesOf(service).has(429))
  },
)

t.test('reports the minimum time that a revocation will take', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, {
    clock,
    sandbox: { now: clock.now },
    environment: { QLIK_TIER2_LIMIT: '10' },
  })
  const user = service.userWithTokens(60)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await tierIsBlocked(service, 2)
  clock.advance(2_000)
  let shown = json
  while (shown.tokens.remaining === 0) shown = (await service.call('GET', `/revocations/${json.id}`)).json
  const seconds = (Date.parse(shown.estimatedCompletionAt) - clock.now()) / 1_000
  t.ok(seconds > 290, `${seconds} s`)
  t.match(shown, { status: 'running', outcome: null, verified: false })
})
