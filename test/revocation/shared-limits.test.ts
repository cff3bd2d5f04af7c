import t from 'tap'
import { nextCall } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'

const server = await startPostgres(t)
const environmentOf = async () => ({ DATABASE_URL: await server.createDatabase(), REVOKE_CONCURRENCY: '1' })

t.test('all replicas report the block, wait, and continue once a call has passed', async (t) => {
  const environment = await environmentOf()
  const first = await startService(t, { environment })
  const second = await startService(t, { share: first, environment })
  const { tenant } = first.sandbox
  const user = first.userWithTokens(5)
  tenant.order({ kind: 'rate-limited', route: 'revoke', after: 1, seconds: 8, blocks: true })
  const refused = nextCall(first.sandbox, ({ status }) => status === 429)
  const { json } = await first.call('POST', '/logout-hook', { body: { userId: user.id } })
  await refused
  const untilWaiting = async (service: Service) => {
    for (;;) {
      const { waitingFor, status } = (await service.call('GET', `/revocations/${json.id}`)).json
      if (status !== 'running') throw new Error(`expected it to wait, but it is ${status}`)
      if (waitingFor?.what === 'qlik-rate-limit') return Date.parse(waitingFor.until)
    }
  }
  const [one = 0, other = 0] = await Promise.all([untilWaiting(first), untilWaiting(second)])
  t.ok(Math.abs(one - other) <= 1_000, 'until the same time')
  for (const service of [first, second]) {
    t.match((await service.call('GET', '/health/ready')).text, /no tier 2 calls until/)
  }
  const more = await Promise.all(
    [first, second].map((service) =>
      service.call('POST', '/logout-hook', { body: { userId: service.userWithTokens(5).id } }),
    ),
  )
  for (const { json: accepted } of [{ json }, ...more])
    t.match(await second.ended(accepted.id), { verified: true, waitingFor: null })
  t.ok(tenant.calls.filter(({ status }) => status === 429).length <= 2, 'at most one per replica')
  const logged = [first, second].flatMap(({ logLines }) =>
    logLines.filter((line) => line.includes('rate limit reached')),
  )
  t.ok(logged.length >= 1 && logged.length <= 2)
})

t.test('a replica that makes no calls reports the block, too', async (t) => {
  const environment = await environmentOf()
  const first = await startService(t, { environment })
  const second = await startService(t, { share: first, environment })
  for (const service of [first, second])
    while (!/"tenant:default","status":"ok"\}/.test((await service.call('GET', '/health/ready')).text));
  const query = (text: string) => server.query(environment.DATABASE_URL, text)
  while ((await query('SELECT FROM curfew.permits')).length > 0);
  // Set by a third process; both learn of it by polling.
  await query(`UPDATE curfew.budgets SET blocked_until = now() + interval '60 s' WHERE tier = 2`)
  const user = first.userWithTokens(1)
  const { json } = await first.call('POST', '/logout-hook', { body: { userId: user.id } })
  for (const { call } of [first, second]) {
    for (;;) {
      const { waitingFor } = (await call('GET', `/revocations/${json.id}`)).json
      if (waitingFor?.what === 'qlik-rate-limit') break
    }
    t.match((await call('GET', '/metrics')).text, /blocked_until_timestamp_seconds\{.*tier="2"\} 1\d{9}/)
  }
  t.equal(first.sandbox.tenant.tokensOf(user.id).length, 1)
})
