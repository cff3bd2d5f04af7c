import { bucketOf } from '../../src/revocation/statistics/durations.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { aCompletion, claim, eachStore, PROOF } from './stores.ts'

const MINUTE_MS = 60_000

/** A revocation that a listing at `at` proves. */
async function verified(store: RevocationStore, userId: string, at: number, tenant = 'default') {
  await store.accept([aSignal({ userId, tenant, acceptedAt: T0 })], null, T0)
  for (const { id } of await claim(store, T0))
    await store.end(id, aCompletion({ proof: { ...PROOF, at }, completedAt: at }))
}

eachStore(async (t, opened) => {
  t.test('verified revocations are counted by minute and by the time since acceptance', async (t) => {
    const store = await opened(t)
    await verified(store, 'u1', T0 + 1_000)
    await verified(store, 'u2', T0 + 1_000)
    await verified(store, 'u3', T0 + 90_000)
    await verified(store, 'u4', T0 + 90_000, 'acme')
    await store.accept([aSignal({ userId: 'queued' })], null, T0)
    const range = { from: T0, to: T0 + 3 * MINUTE_MS }
    const of = (after: number, count: number) => ({
      minute: Math.floor((T0 + after) / MINUTE_MS),
      bucket: bucketOf(after),
      count,
    })
    t.same(await store.verified(range), { counts: [of(1_000, 2), of(90_000, 2)], next: null })
    t.same((await store.verified({ ...range, tenants: ['acme', 'x'] })).counts, [of(90_000, 1)])
    t.same((await store.verified({ ...range, tenants: [] })).counts, [])
    t.same((await store.verified({ ...range, from: T0 + 1_001 })).counts, [of(90_000, 2)], 'from')
    t.same((await store.verified({ ...range, to: T0 + 90_000 })).counts, [of(1_000, 2)], 'to')
  })

  t.test('a completed revocation counts when it is proven', async (t) => {
    const store = await opened(t)
    await store.accept([aSignal({ userId: 'u1' })], null, T0)
    for (const { id } of await claim(store)) await store.end(id, aCompletion({ verified: false }))
    await store.accept([aSignal({ userId: 'u2' })], null, T0)
    for (const { id } of await claim(store))
      await store.end(id, aCompletion({ verificationDueAt: T0 + 5_000 }))
    t.same((await store.verified({ from: 0, to: T0 + MINUTE_MS })).counts, [])
  })
})
