import t, { type Test } from 'tap'
import type { SandboxCall } from '../../../src/sandbox/call-log.ts'
import { aCompletion, accept, aFailure, claim, existing, TOKENS, waiting } from '../../conformance/stores.ts'
import { nextCall, until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startService } from '../../support/service.ts'
import { T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

const NO_TOKENS = { revoked: 0, alreadyGone: 0, kept: 0, remaining: 9 }
const server = await startPostgres(t)
const setUp = (t: Test) => jobTables(t, server)

t.test('a process that has lost its run has no effect on it and must stop', async (t) => {
  const { open, both, lose } = await setUp(t)
  const [frozen, other] = [await open(), await open()]
  const { id } = await accept(frozen)
  const [claimed] = await claim(frozen)
  await lose()
  t.match(await claim(other), [{ id, status: 'running', attempts: 2 }])
  t.equal(await frozen.end(id, aCompletion()), false)
  t.equal(await frozen.end(id, aFailure(T0)), false)
  await frozen.progress(id, TOKENS)
  await frozen.putBack(id, waiting(existing(claimed), null))
  t.match(await other.get(id), { status: 'running', tokens: { revoked: 0 } })
  t.same(await both(id), ['running', 'active 1 due'])
  t.equal(await other.end(id, aCompletion()), true)
})

t.test('a process that has lost its run is notified once', async (t) => {
  const { open, lose } = await setUp(t)
  const [frozen, other] = [await open(), await open()]
  const { id } = await accept(frozen)
  await claim(frozen)
  await lose()
  await claim(other)
  const told: string[] = []
  await until('it is told', async () => told.push(...(await frozen.overtaken())) > 0)
  t.same(told, [id])
  t.same(await frozen.overtaken(), [])
  t.same(await other.overtaken(), [])
})

t.test('a run that is lost repeatedly continues until 24 hours have passed without progress', async (t) => {
  const { open, both, query, loseForGood } = await setUp(t)
  const store = await open()
  const { id } = await accept(store)
  await claim(store)
  const next = await accept(store)
  await claim(store)
  t.same(await both(next.id), ['queued', null])
  const untilSettled = (status: string) =>
    until(`it is ${status}`, async () => {
      await loseForGood(id)
      return (await store.get(id))?.status === status
    })
  await untilSettled('queued')
  t.match(await store.get(id), { error: { code: 'CURFEW_RUN_LOST' }, tokens: { revoked: 0 }, attempts: 1 })
  t.same(await both(id), ['queued', 'created 1 due'])
  t.match(await store.get(next.id), { id }, 'the one that waited for it has joined it')

  t.match(await claim(store), [{ id }])
  await query('UPDATE curfew.revocations SET failing_since = $1', [T0 - 24 * 60 * 60_000 - 1])
  const last = await accept(store)
  await claim(store)
  await untilSettled('failed')
  t.match(await store.get(id), { error: { code: 'CURFEW_RUN_LOST' } })
  t.same(await both(id), ['failed', null])
  t.same(await both(last.id), ['queued', 'created 1 due'])
  t.match(await store.retry(id, T0), { id: last.id }, 'a retry joins the one that is queued')
  t.match(await store.get(id), { status: 'failed', supersededBy: last.id })
})

t.test('progress resets the time of failing', async (t) => {
  const { open, query } = await setUp(t)
  const store = await open()
  const { id } = await accept(store)
  await claim(store)
  await query('UPDATE curfew.revocations SET failing_since = $1', [T0])
  await store.progress(id, NO_TOKENS)
  t.match(await store.get(id), { failingSince: T0 })
  await store.progress(id, TOKENS)
  t.match(await store.get(id), { failingSince: null, status: 'running' })
})

t.test('a job lost too often without a run waits for the run of its user', async (t) => {
  const { open, both, query, loseForGood } = await setUp(t)
  const store = await open()
  const { id } = await accept(store)
  await claim(store)
  const next = await accept(store)
  await query(
    `UPDATE curfew_jobs.job SET state = 'active', started_on = now(), heartbeat_on = now() WHERE id = $1`,
    [next.id],
  )
  await loseForGood(next.id)
  const parked = 'SELECT 1 FROM curfew.revocations WHERE id = $1 AND parked'
  await until('it waits', async () => (await query(parked, [next.id])).length > 0)
  await store.end(id, aCompletion())
  t.same(await both(next.id), ['queued', 'created 1 due'])
})

t.test('a process resumes a run that it has lost, and ends it once', async (t) => {
  const { url, lose } = await setUp(t)
  const service = await startService(t, {
    environment: { DATABASE_URL: url, REVOKE_CONCURRENCY: '1' },
    sandbox: { latencyMs: 40 },
  })
  const user = service.userWithTokens(60)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await until('it is under way', () => service.sandbox.tenant.tokensOf(user.id).length < 55)
  await lose()
  t.match(await service.settled(json.id), { status: 'completed', verified: true, attempts: 2 })
  const ends = service.logLines.filter((line) => JSON.parse(line).msg === 'revocation ended')
  t.equal(ends.length, 1)
  const lists = service.sandbox.tenant.calls.filter(
    ({ route, path }) => route === 'list' && path.includes(user.id),
  )
  t.ok(lists.length <= 4, `begun twice and verified, no more: ${lists.length} lists`)
})

t.test('a run that is lost just before its end is not reported as ended', async (t) => {
  const { url, query } = await setUp(t)
  const environment = { DATABASE_URL: url }
  const service = await startService(t, { environment, sandbox: { latencyMs: 100 } })
  const user = service.userWithTokens(1)
  const verifying = nextCall(service.sandbox, ({ route }) => route === 'revoke')
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await verifying
  await query('UPDATE curfew.revocations SET claim = gen_random_uuid()')
  const isListed = ({ route, path }: SandboxCall) => route === 'list' && path.includes(user.id)
  await until('it is verified', () => service.sandbox.tenant.calls.filter(isListed).length === 2)
  await service.app.close()
  t.same(
    service.logLines.filter((line) => line.includes('revocation ended')),
    [],
  )
  t.same(await query('SELECT status FROM curfew.revocations WHERE id = $1', [json.id]), [
    { status: 'running' },
  ])
})
