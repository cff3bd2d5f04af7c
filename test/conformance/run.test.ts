import { T0 } from '../support/signals.ts'
import {
  aCompletion,
  accept,
  aFailure,
  claim,
  eachStore,
  existing,
  FAILURE,
  room,
  TOKENS,
  waiting,
} from './stores.ts'

eachStore(async (t, opened, pass) => {
  t.test(
    'a claim takes due revocations by urgency, then by age, within the room of each reason',
    async (t) => {
      const store = await opened(t)
      const expired = await accept(store, { userId: 'a', reason: 'session-expired' })
      const old = await accept(store, { userId: 'b', acceptedAt: T0 + 1 })
      const young = await accept(store, { userId: 'c', acceptedAt: T0 + 2 })
      const urgent = await accept(store, { userId: 'd', reason: 'security', acceptedAt: T0 + 3 })
      const claimed = await store.claim({
        now: T0 + 5,
        room: room(1, 1, 1),
      })
      t.same(
        claimed.map(({ id }) => id),
        [urgent.id, old.id, expired.id],
      )
      t.match(claimed, [{ status: 'running', attempts: 1, startedAt: T0 + 5 }])
      const rest = await store.claim({
        now: T0 + 5,
        room: room(0, 5, 5),
      })
      t.same(
        rest.map(({ id }) => id),
        [young.id],
      )
    },
  )

  t.test('a claim takes the share of each tenant, and nothing of a tenant without room', async (t) => {
    const store = await opened(t)
    for (const tenant of ['many', 'full', 'few']) {
      for (const [age, userId] of ['a', 'b', 'c', 'd'].entries()) {
        await accept(store, { tenant, userId, acceptedAt: T0 + age })
      }
    }
    const exceptions = new Map([['full', 0]])
    const logout = { total: 10, perTenant: 2, exceptions }
    const claimed = await store.claim({ now: T0 + 9, room: { ...room(10, 0, 10), logout } })
    t.same(claimed.map(({ tenant, user }) => `${tenant} ${user.value}`).sort(), [
      'few a',
      'few b',
      'many a',
      'many b',
    ])
  })

  t.test('a long backlog of one tenant does not delay another', async (t) => {
    const store = await opened(t)
    for (let index = 0; index < 20; index += 1) await accept(store, { tenant: 'many', userId: `u${index}` })
    await accept(store, { tenant: 'few' })
    const logout = { total: 10, perTenant: 5, exceptions: new Map<string, number>() }
    const seen = new Set<string>()
    for (let claims = 0; claims < 2; claims += 1) {
      for (const { tenant } of await store.claim({ now: T0, room: { ...room(0, 0, 0), logout } }))
        seen.add(tenant)
      logout.exceptions.set('many', 0)
    }
    t.same([...seen].sort(), ['few', 'many'])
  })

  t.test('a signal during a run queues a revocation that is not claimed before the run ends', async (t) => {
    const store = await opened(t)
    const running = await accept(store)
    await claim(store)
    const queued = await accept(store)
    t.not(queued.id, running.id)
    t.equal((await accept(store)).id, queued.id, 'further ones join the queued one')
    t.same(await claim(store), [])
    t.equal((await accept(store)).id, queued.id, 'also once it is known to wait for the end')
    await store.end(
      running.id,
      aCompletion({
        outcome: 'revoked',
        verified: true,
        tokens: TOKENS,
        completedAt: T0 + 9,
      }),
    )
    t.match(await claim(store), [{ id: queued.id }])
  })

  t.test('a completed revocation shows how it ended', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    await claim(store)
    await store.progress(id, TOKENS)
    t.match(await store.get(id), { status: 'running', tokens: TOKENS })
    const completion = { outcome: 'revoked', verified: true, tokens: TOKENS, completedAt: T0 + 9 } as const
    t.equal(await store.end(id, aCompletion(completion)), true)
    const ended = {
      status: 'completed',
      outcome: 'revoked',
      verified: true,
      completedAt: T0 + 9,
      error: null,
    }
    t.match(await store.get(id), ended)
    t.equal(await store.end(id, aFailure(T0 + 10)), false)
    await store.putBack(id, waiting(existing(await store.get(id)), null))
    t.match(await store.get(id), ended, 'what has ended is not changed')
  })

  t.test('a revocation that is put back waits until it is due', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    const [claimed] = await claim(store)
    const dueAt = T0 + 60_000
    await store.putBack(id, waiting(existing(claimed), dueAt))
    t.match(await store.get(id), { status: 'queued', tokens: TOKENS, error: FAILURE, nextAttemptAt: dueAt })
    t.same(await claim(store, dueAt - 1), [])
    t.equal(await store.nextDueAt(T0), dueAt)
    t.equal(await store.nextDueAt(dueAt), null, 'only what is later counts')
    await pass(store, 60_000)
    t.match(await claim(store, dueAt), [{ id, attempts: 2, startedAt: T0, nextAttemptAt: null }])
  })

  t.test('a newer queued revocation joins the one that is put back, and its id refers to it', async (t) => {
    const store = await opened(t)
    const older = await accept(store)
    const [claimed] = await claim(store)
    const newer = await accept(store, { reason: 'security', scope: 'all', occurredAt: T0 + 50 })
    await store.putBack(older.id, waiting(existing(claimed), T0 + 100))
    t.match(await store.get(newer.id), {
      id: older.id,
      reason: 'security',
      scope: 'all',
      occurredAt: T0 + 50,
    })
    t.equal((await store.list({ limit: 10 })).items.length, 1)
  })

  t.test('a run is overtaken when a more urgent revocation is queued for its user', async (t) => {
    const store = await opened(t)
    const a = await accept(store, { userId: 'a' })
    await accept(store, { userId: 'b' })
    await claim(store)
    await accept(store, { userId: 'a', reason: 'session-expired' })
    await accept(store, { userId: 'b', reason: 'security', deviceType: 'Phone' })
    t.same(await store.overtaken(), [])
    await accept(store, { userId: 'a', reason: 'security' })
    t.same(await store.overtaken(), [a.id])
  })

  t.test('joined ids follow a revocation that joins another one', async (t) => {
    const store = await opened(t)
    const failed = await accept(store)
    const [first] = await claim(store)
    const joined = await accept(store)
    await store.putBack(failed.id, waiting(existing(first), null))
    await claim(store)
    await store.end(failed.id, aFailure(T0))
    const older = await accept(store)
    const [second] = await claim(store)
    await store.retry(failed.id, T0)
    await store.putBack(older.id, waiting(existing(second), null))
    t.match(await store.get(failed.id), { id: older.id })
    t.match(await store.get(joined.id), { id: older.id })
  })

  t.test('retry queues a failed revocation again and makes a waiting one due now', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    await claim(store)
    await store.end(id, aFailure(T0 + 9))
    t.match(await store.get(id), { status: 'failed', error: FAILURE, completedAt: T0 + 9 })
    t.match(await store.retry(id, T0), { id, status: 'queued', completedAt: null, nextAttemptAt: null })
    const [claimed] = await claim(store)
    t.match(await store.retry(id, T0), { id, status: 'running' }, 'one that runs is answered as it is')
    await store.putBack(id, waiting(existing(claimed), T0 + 60_000))
    await store.retry(id, T0)
    t.match(await claim(store), [{ id }])
    t.equal(await store.retry('00000000-0000-7000-8000-000000000000', T0), null)
  })

  t.test(
    'retry joins another queued revocation; it rejects a verified one and accepts an unverified one',
    async (t) => {
      const store = await opened(t)
      const failed = await accept(store, { occurredAt: T0 + 70 })
      await claim(store)
      await store.end(failed.id, aFailure(T0 + 9))
      const queued = await accept(store)
      t.match(await store.retry(failed.id, T0), { id: queued.id, occurredAt: T0 + 70 })
      await claim(store)
      await store.end(
        queued.id,
        aCompletion({
          outcome: 'none-visible',
          verified: false,
          tokens: TOKENS,
          completedAt: T0,
        }),
      )
      t.match(await store.retry(queued.id, T0), { id: queued.id, status: 'queued', outcome: null })
      await claim(store)
      await store.end(
        queued.id,
        aCompletion({
          outcome: 'revoked',
          verified: true,
          tokens: TOKENS,
          completedAt: T0,
        }),
      )
      await t.rejects(store.retry(queued.id, T0), { code: 'CURFEW_NOT_RETRYABLE' })
    },
  )
})
