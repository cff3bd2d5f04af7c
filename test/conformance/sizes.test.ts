import type { Room } from '../../src/revocation/schedule.ts'
import type { Unsized } from '../../src/revocation/store/size-store.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { T0 } from '../support/signals.ts'
import { accept, claim, eachStore, existing, waiting } from './stores.ts'

const NO_ROOM: Room = { total: 0, perTenant: 0, exceptions: new Map() }

/** Room for logouts: by size for those up to `largest`, and `byAge` others of each tenant. */
function bySize(largest: number, byAge = 0, total = 100) {
  const take = (_: string, sizes: readonly number[]) => sizes.filter((size) => size <= largest).length
  const logout: Room = { total: byAge, perTenant: byAge, exceptions: new Map(), bySize: { total, take } }
  return { security: NO_ROOM, logout, 'session-expired': NO_ROOM }
}

async function queued(store: RevocationStore, sizes: Record<string, number | null>, tenant = 'default') {
  const ids = new Map<string, string>()
  for (const [age, [userId, size]] of Object.entries(sizes).entries()) {
    const { id } = await accept(store, { tenant, userId, acceptedAt: T0 + age })
    ids.set(id, userId)
    if (size !== null) await store.noteSizes([{ id, size }])
  }
  return ids
}

const users = (claimed: { user: { value: string } }[]) => claimed.map(({ user }) => user.value)

eachStore(async (t, opened, pass) => {
  t.test('claims by size take the fewest tokens first, and the oldest of equals', async (t) => {
    const store = await opened(t)
    await queued(store, { old: 7, unknown: null, few: 2, same: 2, none: 0, many: 9 })
    t.same(users(await store.claim({ now: T0 + 9, room: bySize(7) })), ['none', 'few', 'same', 'old'])
    t.same(users(await claim(store, T0 + 9)).sort(), ['many', 'unknown'], 'the others are claimed by age')
  })

  t.test('the oldest are claimed whatever their size, after those by size', async (t) => {
    const store = await opened(t)
    await queued(store, { old: 70, older: null, few: 2 })
    t.same(users(await store.claim({ now: T0 + 9, room: bySize(5, 1) })), ['few', 'old'])
  })

  t.test('a more urgent revocation does not wait for smaller ones', async (t) => {
    const store = await opened(t)
    await queued(store, { few: 1 })
    const urgent = await accept(store, { userId: 'urgent', reason: 'security' })
    await store.noteSizes([{ id: urgent.id, size: 500 }])
    t.same(users(await claim(store, T0 + 9)), ['urgent', 'few'])
  })

  t.test('tenants share the room by size', async (t) => {
    const store = await opened(t)
    await queued(store, { a: 1, b: 1, c: 1, d: 1 }, 'one')
    await queued(store, { e: 4, f: 5 }, 'two')
    const claimed = await store.claim({ now: T0 + 9, room: bySize(9, 0, 4) })
    t.same(users(claimed).sort(), ['a', 'b', 'e', 'f'])
  })

  t.test('what is not due, or whose user has a run, is not claimed by size', async (t) => {
    const store = await opened(t)
    const first = await accept(store)
    const [claimed] = await claim(store)
    const behind = await accept(store)
    await store.noteSizes([{ id: behind.id, size: 1 }])
    t.same(await store.claim({ now: T0, room: bySize(9) }), [])
    await store.putBack(first.id, waiting(existing(claimed), T0 + 60_000))
    t.match(await store.get(first.id), { size: 3 }, 'the size is what the attempt left')
    t.same(await store.claim({ now: T0, room: bySize(9) }), [])
    await pass(store, 60_000)
    t.match(await store.claim({ now: T0 + 60_000, room: bySize(9) }), [{ id: first.id }])
  })

  t.test('revocations without a size are returned in order of age, until it is noted', async (t) => {
    const store = await opened(t)
    await queued(store, { elsewhere: null }, 'other')
    const all = await queued(store, { a: null, b: 3, c: null, d: null })
    const unsized = async (after: Unsized | null = null, limit = 10) =>
      store.unsized({ tenant: 'default', reason: 'logout', after, limit })
    const found = await unsized()
    t.same(users(found), ['a', 'c', 'd'])
    t.same(users(await unsized(null, 2)), ['a', 'c'])
    t.same(users(await unsized(existing(found[0]))), ['c', 'd'])
    const of = (userId: string) => existing([...all].find(([, user]) => user === userId))[0]
    t.equal(await store.noteSizes([{ id: of('c'), size: 0 }]), 1)
    t.same(users(await unsized(existing(found[0]))), ['d'])
    await claim(store, T0 + 9)
    t.same(await unsized(), [])
    t.equal(await store.noteSizes([{ id: of('a'), size: 4 }]), 0, 'a running one keeps its own')
    t.equal(await store.noteSizes([]), 0)
  })

  t.test('a size changes nothing else', async (t) => {
    const store = await opened(t)
    const before = await accept(store)
    await store.noteSizes([{ id: before.id, size: 5 }])
    t.strictSame(await store.get(before.id), { ...before, size: 5 })
  })

  t.test('a retry makes the size unknown', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    await store.noteSizes([{ id, size: 5 }])
    const [running] = await claim(store)
    t.match(running, { size: 5 })
    const { tokens, undecided, resolved } = existing(running)
    await store.end(id, { status: 'failed', tokens, undecided, resolved, error: null, completedAt: T0 })
    t.match(await store.retry(id, T0), { size: null })
  })

  t.test('a survey is reserved by one process, which can extend it', async (t) => {
    const store = await opened(t)
    t.equal(await store.reserveSurvey('default', 60_000), true)
    t.equal(await store.reserveSurvey('default', 60_000), true)
  })
})
