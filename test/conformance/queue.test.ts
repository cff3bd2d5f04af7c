import type { QueueGroup } from '../../src/revocation/store/size-store.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { accept, claim, eachStore, existing, TOKENS } from './stores.ts'

const inOrder = (groups: readonly QueueGroup[]) =>
  groups.toSorted((one, other) => (one.id < other.id ? -1 : 1))

eachStore(async (t, opened) => {
  t.test('a short queue has a group for each queued and running revocation', async (t) => {
    const store = await opened(t)
    t.same(await store.queue(), [])
    await accept(store, { userId: 'running' })
    const running = existing((await claim(store))[0])
    const unknown = await accept(store, { userId: 'unknown', reason: 'security' })
    const sized = await accept(store, { userId: 'sized', tenant: 'other' })
    await store.noteSizes([{ id: sized.id, size: 7 }])
    const base = { tenant: 'default', reason: 'logout', count: 1 }
    t.same(
      inOrder(await store.queue()),
      inOrder([
        { ...base, reason: 'logout', isRunning: true, size: null, id: running.id },
        { ...base, reason: 'security', isRunning: false, size: null, id: unknown.id },
        { ...base, reason: 'logout', tenant: 'other', isRunning: false, size: 7, id: sized.id },
      ]),
    )
    await store.progress(running.id, TOKENS)
    const [listed] = (await store.queue()).filter(({ isRunning }) => isRunning)
    t.match(listed, { size: TOKENS.remaining })
    await store.progress(running.id, { ...TOKENS, remaining: 0 })
    t.match(
      (await store.queue()).find(({ isRunning }) => isRunning),
      { size: 0 },
      'without remaining tokens',
    )
  })

  t.test('a long queue is cut into groups, and none is missing', async (t) => {
    const store = await opened(t)
    const signals = Array.from({ length: 5_000 }, (_, index) =>
      aSignal({
        user: { kind: 'userId', value: `u${index}` },
        tenant: index % 10 === 0 ? 'few' : 'many',
        reason: index % 2 === 0 ? 'logout' : 'security',
        acceptedAt: T0 + index,
      }),
    )
    for (let from = 0; from < signals.length; from += 1_000)
      await store.accept(signals.slice(from, from + 1_000), null, T0 + from)
    const { items } = await store.list({ limit: 1_500 })
    await store.noteSizes(items.map(({ id }, index) => ({ id, size: index % 3 })))
    const groups = await store.queue()
    const sum = (some: readonly QueueGroup[]) => some.reduce((all, { count }) => all + count, 0)
    t.equal(sum(groups), 5_000)
    t.equal(sum(groups.filter(({ tenant }) => tenant === 'few')), 500)
    t.equal(sum(groups.filter(({ reason }) => reason === 'security')), 2_500)
    t.equal(sum(groups.filter(({ size }) => size === 2)), 500)
    t.ok(groups.length < 2_500 && groups.every(({ count }) => count <= 3), `${groups.length} groups`)
    t.equal(new Set(groups.map(({ id }) => id)).size, groups.length)
  })
})
