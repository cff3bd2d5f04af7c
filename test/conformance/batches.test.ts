import { MAX_MEMBERS } from '../../src/revocation/batch.ts'
import { summarize } from '../../src/revocation/batch-summary.ts'
import type { Origin } from '../../src/revocation/origin.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, aFailure, claim, eachStore, existing, waiting } from './stores.ts'

const BATCH = { tenant: 'default', id: 'b1' }
const OTHER = { tenant: 'default', id: 'b2' }
const IDP: Origin = { kind: 'source', name: 'idp', id: 'idp', address: null }

const acceptInto = (store: RevocationStore, userIds: readonly string[], batch = BATCH, origin = AN_ORIGIN) =>
  store.accept(
    userIds.map((userId, index) => aSignal({ userId, acceptedAt: T0 + index })),
    null,
    T0,
    origin,
    batch,
  )

const usersOf = async (store: RevocationStore, batch = BATCH) => {
  const { items } = await store.list({ batch, limit: 100 })
  return items.map(({ user }) => user.value).sort()
}

const summaryOf = async (store: RevocationStore, batch = BATCH) => {
  const reading = await store.readBatch(batch)
  return reading && summarize(batch, reading, ({ id }) => (id > '' ? T0 + 1 : null))
}

eachStore(async (t, opened) => {
  t.test('a batch has the revocations that its signals created and joined', async (t) => {
    const store = await opened(t)
    await accept(store, { userId: 'earlier' })
    await accept(store, { userId: 'alone' })
    await acceptInto(store, ['earlier', 'new', 'new'])
    await acceptInto(store, ['second', 'new'])
    await acceptInto(store, ['new', 'other'], OTHER)
    const [member] = (await store.list({ batch: BATCH, limit: 1 })).items
    t.equal(await store.memberSince(BATCH, existing(member).id), T0)
    t.equal(await store.memberSince({ tenant: 'other', id: 'b1' }, existing(member).id), null)
    t.same(await usersOf(store), ['earlier', 'new', 'second'])
    t.same(await usersOf(store, OTHER), ['new', 'other'])
    t.same(await usersOf(store, { tenant: 'other', id: 'b1' }), [], 'the same id in another tenant')
    t.match(await summaryOf(store), { ...BATCH, createdAt: T0, total: 3, isDone: false })
    t.equal(await store.readBatch({ tenant: 'other', id: 'b1' }), null)
  })

  t.test('a summary counts by status, outcome, proof and code', async (t) => {
    const store = await opened(t)
    await acceptInto(store, ['revoked', 'unverified', 'confirming', 'nobody', 'failed', 'failed2', 'refused'])
    const refused = { ...aFailure(), error: { code: 'CURFEW_QLIK_FORBIDDEN', detail: '' } } as const
    const endings = {
      revoked: aCompletion(),
      unverified: aCompletion({ verified: false }),
      confirming: aCompletion({ verificationDueAt: T0 + 9 }),
      nobody: aCompletion({ outcome: 'no-such-user', verified: false }),
      failed: aFailure(),
      failed2: aFailure(),
      refused,
    }
    const ids = new Map<string, string>()
    for (const { id, user } of await claim(store, T0 + 100)) {
      ids.set(user.value, id)
      await store.end(id, existing(endings[user.value as keyof typeof endings]))
    }
    await acceptInto(store, ['queued'])
    t.match(await summaryOf(store), {
      total: 8,
      status: { queued: 1, running: 0, held: 0, completed: 4, failed: 3, cancelled: 0 },
      outcomes: { revoked: 3, 'no-such-user': 1 },
      verified: 1,
      confirming: 1,
      tokens: { revoked: 14, alreadyGone: 7, kept: 0, remaining: 21 },
      failures: [
        { code: 'CURFEW_QLIK_UNAVAILABLE', count: 2, ids: [ids.get('failed'), ids.get('failed2')] },
        { code: 'CURFEW_QLIK_FORBIDDEN', count: 1, ids: [ids.get('refused')] },
      ],
      isDone: false,
      estimatedCompletionAt: T0 + 1,
    })
  })

  t.test('the filter by batch works with other filters, and page by page', async (t) => {
    const store = await opened(t)
    await acceptInto(store, ['a', 'b', 'c', 'd'])
    await acceptInto(store, ['e'], OTHER)
    for (const { id, user } of await claim(store, T0 + 100))
      await store.end(id, user.value < 'c' ? aFailure() : aCompletion())
    const query = { batch: BATCH, limit: 3 }
    const first = await store.list(query)
    t.same(
      first.items.map(({ user }) => user.value),
      ['d', 'c', 'b'],
    )
    const second = await store.list({ ...query, cursor: first.nextCursor ?? undefined })
    t.match(second, { items: [{ user: { value: 'a' } }], nextCursor: null })
    t.match(await store.list({ ...query, status: 'failed' }), {
      items: [{ user: { value: 'b' } }, { user: { value: 'a' } }],
      nextCursor: null,
    })
    t.same(await store.count({ ...query, status: 'completed' }), { value: 2, isExact: true })
    t.same(await store.count(query), { value: 4, isExact: true })
    const user = (value: string) => ({ kind: 'userId', value }) as const
    t.equal((await store.count({ ...query, user: user('a') })).value, 1)
    t.equal((await store.count({ ...query, user: user('e') })).value, 0)
    t.equal((await store.count({ ...query, tenants: ['other', 'another'] })).value, 0)
    t.equal((await store.count({ ...query, since: T0 + 1, until: T0 + 3 })).value, 2)
  })

  t.test('a member that joins another revocation is replaced by it', async (t) => {
    const store = await opened(t)
    const first = await accept(store, { userId: 'u' })
    const [running] = await claim(store)
    await acceptInto(store, ['u'])
    await store.putBack(first.id, waiting(existing(running), null))
    t.match(await store.list({ batch: BATCH, limit: 9 }), { items: [{ id: first.id, status: 'queued' }] })
    await claim(store)
    await acceptInto(store, ['u'])
    await store.putBack(first.id, waiting(existing(running), null))
    t.match(await summaryOf(store), { total: 1, status: { queued: 1 } }, 'both were members')
  })

  t.test('a member that a retry supersedes is replaced by the other one', async (t) => {
    const store = await opened(t)
    await acceptInto(store, ['u'])
    const [failed] = await claim(store, T0 + 1)
    await store.end(existing(failed).id, aFailure())
    const next = await accept(store, { userId: 'u' })
    t.match(await store.retry(existing(failed).id, T0 + 2), { id: next.id })
    t.match(await store.list({ batch: BATCH, limit: 9 }), { items: [{ id: next.id, status: 'queued' }] })
    t.match(await summaryOf(store), { total: 1, failures: [] })
  })

  t.test('held members stay members when they are released, also if they join', async (t) => {
    const store = await opened(t, { users: 1, windowMs: 600_000 })
    await acceptInto(store, ['runs', 'held', 'joins'], BATCH, IDP)
    t.match(await summaryOf(store), { status: { held: 2, queued: 1 }, isDone: false })
    const queued = await accept(store, { userId: 'joins' })
    await store.release({ limit: 10 }, T0)
    t.match(await summaryOf(store), { total: 3, status: { held: 0, queued: 3 } })
    t.ok((await store.list({ batch: BATCH, limit: 9 })).items.some(({ id }) => id === queued.id))
  })

  t.test('members are deleted with their revocations, by retention and by erasure', async (t) => {
    const store = await opened(t)
    await acceptInto(store, ['erased', 'old', 'new'])
    for (const { id, user } of await claim(store, T0 + 100))
      if (user.value !== 'new') await store.end(id, aCompletion({ completedAt: T0 }))
    await store.audit.erase({ tenant: 'default', user: { kind: 'userId', value: 'erased' } }, T0, AN_ORIGIN)
    t.same(await usersOf(store), ['new', 'old'])
    t.equal((await summaryOf(store))?.total, 2)
    await store.purge(T0 + 1, T0)
    t.same(await usersOf(store), ['new'])
    t.equal((await summaryOf(store))?.total, 1)
  })

  t.test('a repeated request adds nothing to a batch, and gets the same answer', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: 'f' }
    const signals = Array.from({ length: 250 }, (_, index) => aSignal({ userId: `u${index}` }))
    const first = await store.accept(signals, replay, T0, AN_ORIGIN, BATCH)
    t.equal((await store.accept(signals, replay, T0, AN_ORIGIN, BATCH)).replayed, true)
    t.equal((await summaryOf(store))?.total, 250)
    t.equal(first.revocations.length, 250)
  })

  t.test('a batch of several parts is read completely', async (t) => {
    const store = await opened(t)
    const userIds = Array.from({ length: 4_100 }, (_, index) => `u${index}`)
    for (let start = 0; start < userIds.length; start += 1_000)
      await acceptInto(store, userIds.slice(start, start + 1_000))
    for (const { id } of await claim(store, T0 + 5_000)) await store.end(id, aFailure())
    t.match(await summaryOf(store), {
      total: 4_100,
      status: { queued: 4_090, failed: 10 },
      failures: [{ count: 10 }],
    })
  })

  t.test('a batch that has no room rejects a request, and nothing else', async (t) => {
    const store = await opened(t)
    await acceptInto(store, ['first'])
    const signals = Array.from({ length: 1_000 }, () => aSignal({ userId: 'same' }))
    const tooMany = Array.from({ length: MAX_MEMBERS }, () => aSignal({ userId: 'x' }))
    const replay = { key: 'k', fingerprint: 'f' }
    const [full, other] = await Promise.allSettled([
      store.accept(tooMany, replay, T0, AN_ORIGIN, BATCH),
      store.accept(signals, null, T0, AN_ORIGIN, OTHER),
    ])
    t.match(full, { status: 'rejected', reason: { code: 'CURFEW_BATCH_FULL' } })
    t.equal(other.status, 'fulfilled')
    t.same([await usersOf(store), await usersOf(store, OTHER)], [['first'], ['same']])
    t.match(await store.accept([aSignal({ userId: 'x' })], replay, T0, AN_ORIGIN, OTHER), { replayed: false })
  })
})
