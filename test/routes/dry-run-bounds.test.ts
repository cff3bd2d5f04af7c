import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { answersTaken, countOf, type Json, nothingDone, ROUTES } from '../support/dry-run.ts'
import { nextCall, until } from '../support/events.ts'
import { isProblem } from '../support/problems.ts'
import { startService } from '../support/service.ts'

t.test('a failed call to Qlik is an error of its user only', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const users = Array.from({ length: 20 }, () => ({ userId: service.userWithTokens(1).id }))
  const body = { users: [...users.slice(0, 10), { email: 'no-address' }, ...users.slice(10)] }
  for (const [status, code] of [
    [500, 'CURFEW_QLIK_UNAVAILABLE'],
    [403, 'CURFEW_QLIK_FORBIDDEN'],
    [400, 'CURFEW_QLIK_REJECTED'],
    [418, 'CURFEW_QLIK_UNREADABLE'],
  ] as const) {
    service.logLines.length = 0
    tenant.order({ kind: 'status', status, route: 'list', after: 3, times: 2 })
    const { json } = await service.call('POST', '/revocations?dryRun=true', { body })
    t.same(
      json.items.map(({ index }: Json) => index),
      [...body.users.keys()],
    )
    t.match(json.items[10], { error: { code: 'CURFEW_REQUEST_INVALID', errors: [{ member: '/email' }] } })
    const failed = json.items.filter(({ error }: Json) => error?.code === code)
    t.equal(failed.length, 2, code)
    t.match(failed[0], { error: { type: 'about:blank', title: /./, action: /./, detail: /./ } })
    const done = json.items.filter(({ dryRun }: Json) => dryRun?.tokens.length === 1)
    t.equal(done.length, 18)
    const logged = service.logLines.filter((line) => line.includes('a dry run failed'))
    t.equal(logged.length, 1, 'one line for both')
    t.match(JSON.parse(logged[0] ?? ''), { level: 50, code, err: { cause: { type: 'QlikFailure' } } })

    tenant.order({ kind: 'status', status, route: 'list', times: 2 })
    for (const route of ['revoke-all', 'logout-hook'] as const)
      isProblem(t, await ROUTES[route](service, { userId: 'u1' }), code)
  }
  tenant.order({ kind: 'status', status: 500, route: 'user' })
  isProblem(t, await ROUTES['logout-hook'](service, { userId: 'u1' }), 'CURFEW_QLIK_UNAVAILABLE')
  tenant.order({ kind: 'status', status: 500, route: 'users' })
  isProblem(t, await ROUTES['logout-hook'](service, { email: 'a@b' }), 'CURFEW_QLIK_UNAVAILABLE')
  await nothingDone(t, service)
})

t.test('the response comes after 20 s, with an error for each unchecked user', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const { sandbox } = service
  const users = Array.from({ length: 3 }, () => ({ userId: service.userWithTokens(1).id }))
  sandbox.tenant.order({ kind: 'hang', route: 'list', after: 2 })
  const answered = service.call('POST', '/revocations?dryRun=true', { body: { users } })
  await answersTaken(service, 'list', 2)
  clock.advance(20_000)
  const { status, json } = await answered
  t.equal(status, 200)
  const codes = json.items.map(({ error }: Json) => error?.code).filter(Boolean)
  t.same(codes, ['CURFEW_DRY_RUN_TIMEOUT'])
  t.equal(json.items.filter(({ dryRun }: Json) => dryRun?.tokens.length === 1).length, 2)

  sandbox.tenant.order({ kind: 'hang', route: 'list' })
  const arrived = nextCall(sandbox, ({ route }) => route === 'list', 'arrived')
  const one = ROUTES['logout-hook'](service, { userId: 'u1' })
  await arrived
  clock.advance(20_000)
  const reply = await one
  isProblem(t, reply, 'CURFEW_DRY_RUN_TIMEOUT')
  t.equal(reply.headers.get('retry-after'), '30')
})

t.test('up to a hundred users, with as few reads as possible', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const users = Array.from({ length: 101 }, (_, index) => ({ email: `user-${index}@example.com` }))
  for (const { email } of users) service.userWithTokens(1, { email })
  await until('the client is known', async () => (await service.call('GET', '/health/ready')).status === 200)
  tenant.calls.length = 0
  const all = await service.call('POST', '/revocations?dryRun=true', { body: { users } })
  isProblem(t, all, 'CURFEW_REQUEST_INVALID', '/users')
  t.match(all.text, 'at most 100')
  t.equal(tenant.calls.length, 0)
  const { json } = await service.call('POST', '/revocations?dryRun=true', { body: { users: users.slice(1) } })
  for (const { dryRun } of json.items) t.match(dryRun, { finding: 'exists', tokens: [{}] })
  t.equal(countOf(service, 'list'), 100)
  t.ok(countOf(service, 'users') <= 25, `${countOf(service, 'users')} lookups`)
  t.equal((await service.call('POST', '/revocations', { body: { users } })).status, 202, 'no bound of others')
})

t.test('a very long list of tokens is truncated, and the response reports it', async (t) => {
  const service = await startService(t)
  const many = service.userWithTokens(10_150)
  const few = service.userWithTokens(150)
  const users = [{ userId: few.id }, { userId: many.id }]
  const { json } = await service.call('POST', '/revocations?dryRun=true', { body: { users } })
  const [first, second] = json.items.map(({ dryRun }: Json) => dryRun)
  t.match(first, { truncated: false, tokens: { length: 150 } })
  t.match(second, { truncated: true, finding: 'exists', tokens: { length: 10_000 } })
  t.equal(countOf(service, 'list'), 2 + 100, 'the first page of each, and 100 more')
})

t.test('if reads are scarce, a dry run waits for all signals', async (t) => {
  const clock = fakeClock()
  const windowMs = 1_000
  const environment = { QLIK_TIER1_LIMIT: '1', QLIK_RATE_WINDOW_MS: String(windowMs) }
  const service = await startService(t, { clock, sandbox: { now: clock.now }, environment })
  const { tenant } = service.sandbox
  const [ann, ben] = [service.userWithTokens(1), service.userWithTokens(1)]
  await answersTaken(service, 'me', 1)
  clock.advance(windowMs + 10)
  await answersTaken(service, 'me', 2)

  const dryRun = ROUTES['revoke-all'](service, { userId: ann.id }, { body: { reason: 'security' } })
  const body = { userId: ben.id, reason: 'session-expired' }
  const { json } = await service.call('POST', '/logout-hook', { body })
  await until('it runs', async () => {
    const { status } = (await service.call('GET', `/revocations/${json.id}`)).json
    return status === 'running'
  })
  t.equal(countOf(service, 'list'), 0, 'both wait')
  clock.advance(windowMs + 10)
  await answersTaken(service, 'list', 1)
  const [first] = tenant.calls.filter(({ route }) => route === 'list')
  t.match(first?.path, ben.id, 'the signal goes first')
  clock.advance(20_000)
  await dryRun
})
