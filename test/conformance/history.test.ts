import type { RevocationQuery } from '../../src/revocation/store.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, aFailure, claim, eachStore, existing, room, TOKENS, waiting } from './stores.ts'

eachStore(async (t, opened) => {
  t.test('the list is sorted newest first, filtered and paged', async (t) => {
    const store = await opened(t)
    for (let index = 0; index < 25; index += 1) {
      await accept(store, {
        userId: `u${index}`,
        acceptedAt: T0 + index,
        tenant: index % 2 ? 'odd' : 'even',
      })
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list({ limit: 7, cursor })
      seen.push(...page.items.map(({ user }) => user.value))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    t.same(
      seen,
      Array.from({ length: 25 }, (_, index) => `u${24 - index}`),
    )
    t.equal((await store.list({ limit: 100, tenant: 'odd' })).items.length, 12)
    t.match(await store.list({ limit: 5, user: { kind: 'userId', value: 'u3' } }), {
      items: [{ user: { value: 'u3' } }],
      nextCursor: null,
    })
    t.same((await store.list({ limit: 5, status: 'failed' })).items, [])
  })

  t.test('a malformed id is reported as unknown', async (t) => {
    const store = await opened(t)
    for (const id of ['nope', '', "'", 'a\0b', '00000000-0000-7000-8000-00000000000g']) {
      t.equal(await store.get(id), null)
      t.equal(await store.retry(id, T0), null)
    }
  })

  t.test('the list can be restricted to tenants, with paging and other filters', async (t) => {
    const store = await opened(t)
    for (const [index, tenant] of ['a', 'b', 'c', 'a', 'b', "it's"].entries())
      await accept(store, { userId: `u${index}`, acceptedAt: T0 + index, tenant })
    const usersOf = async (query: Partial<RevocationQuery>) =>
      (await store.list({ limit: 100, ...query })).items.map(({ user }) => user.value)
    t.same(await usersOf({ tenants: ['a', 'c', 'none'] }), ['u3', 'u2', 'u0'])
    t.same(await usersOf({ tenants: ["it's"] }), ['u5'])
    t.same(await usersOf({ tenants: ['a', 'b'], tenant: 'b' }), ['u4', 'u1'])
    t.same(await usersOf({ tenants: ['a'], tenant: 'b' }), [])
    t.same(await usersOf({ tenants: ['a', 'b'], user: { kind: 'userId', value: 'u4' }, status: 'queued' }), [
      'u4',
    ])
    t.same(await usersOf({ tenants: [] }), [], 'of no tenant, nothing')
    t.equal((await usersOf({ tenants: undefined })).length, 6)
    t.equal((await usersOf({ tenants: Array.from({ length: 20_000 }, (_, index) => `t${index}`) })).length, 0)
    const first = await store.list({ limit: 2, tenants: ['a', 'c'] })
    t.same(
      first.items.map(({ user }) => user.value),
      ['u3', 'u2'],
    )
    t.same(await usersOf({ tenants: ['a', 'c'], cursor: String(first.nextCursor) }), ['u0'])
  })

  t.test('purge deletes only what ended earlier, with its joined ids', async (t) => {
    const store = await opened(t)
    const old = await accept(store, { userId: 'old' })
    const [claimed] = await claim(store)
    const joined = await accept(store, { userId: 'old' })
    await store.putBack(old.id, waiting(existing(claimed), null))
    const recent = await accept(store, { userId: 'recent' })
    await claim(store)
    const queued = await accept(store, { userId: 'queued' })
    await store.end(
      old.id,
      aCompletion({
        outcome: 'revoked',
        verified: true,
        tokens: TOKENS,
        completedAt: T0 + 1,
      }),
    )
    await store.end(recent.id, aFailure(T0 + 100))
    t.equal(await store.purge(T0 + 100, T0), 1)
    t.same([await store.get(old.id), await store.get(joined.id)], [null, null])
    t.match(await store.get(recent.id), { status: 'failed' })
    t.match(await store.get(queued.id), { status: 'queued' })
  })

  t.test('purge forgets replay keys after their window', async (t) => {
    const store = await opened(t)
    await store.accept([aSignal()], { key: 'k', fingerprint: null }, T0)
    t.equal(await store.purge(0, T0 + 600_000), 0)
    t.equal(await store.purge(0, T0 + 600_001), 1)
  })

  t.test('the backlog counts unfinished revocations', async (t) => {
    const store = await opened(t)
    for (const userId of ['a', 'b', 'c']) await accept(store, { userId })
    await accept(store, { userId: 'x', tenant: 'other', acceptedAt: T0 + 1 })
    await store.claim({ now: T0, room: room(0, 1, 0) })
    const counts = await store.backlog()
    t.same(
      counts.sort((a, b) => `${a.tenant}${a.status}`.localeCompare(`${b.tenant}${b.status}`)),
      [
        { tenant: 'default', status: 'queued', count: 2 },
        { tenant: 'default', status: 'running', count: 1 },
        { tenant: 'other', status: 'queued', count: 1 },
      ],
    )
  })

  t.test('the backlog follows every change of a revocation', async (t) => {
    const store = await opened(t)
    const counted = async () => {
      const counts = await store.backlog()
      return Object.fromEntries(counts.map(({ status, count }) => [status, count]))
    }
    await accept(store, { userId: 'a' })
    await accept(store, { userId: 'a' })
    t.same(await counted(), { queued: 1 }, 'joined')
    const [running] = await claim(store)
    const { id } = existing(running)
    t.same(await counted(), { running: 1 }, 'claimed')
    await accept(store, { userId: 'a' })
    t.same(await counted(), { queued: 1, running: 1 }, 'a later signal')
    await store.putBack(id, waiting(existing(running), null))
    t.same(await counted(), { queued: 1 }, 'put back, and absorbed by the later one')
    const [again] = await claim(store)
    await store.end(existing(again).id, aFailure())
    t.same(await counted(), {}, 'failed')
    await store.retry(existing(again).id, T0)
    t.same(await counted(), { queued: 1 }, 'retried')
    const [last] = await claim(store)
    await store.end(existing(last).id, aCompletion())
    await store.purge(T0 + 1, T0)
    t.same(await counted(), {}, 'completed and purged')
  })

  t.test('close is idempotent, and a closed store accepts nothing', async (t) => {
    const store = await opened(t)
    await store.check()
    await store.close()
    await store.close()
    await t.rejects(store.accept([aSignal()], null, T0), { code: 'CURFEW_STORE_UNAVAILABLE' })
  })
})
