import type { Revocation } from '../../src/revocation/revocation.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import type { Confirmation } from '../../src/revocation/transitions.ts'
import { T0 } from '../support/signals.ts'
import {
  aCompletion,
  accept,
  aFailure,
  claim,
  eachStore,
  existing,
  FAILURE,
  PROOF,
  room,
  TOKENS,
} from './stores.ts'

/** Later than every confirming listing of these tests is due, on any store's clock. */
const DUE = T0 - 60_000
const confirmations = (store: RevocationStore, now = T0) =>
  store.claimConfirmations({ now, room: room(0, 10, 0).logout })
const PROVEN: Confirmation = { found: 'nothing', proof: PROOF, kept: 0, undecided: 0, resolved: ['u1'] }

/** A completed revocation with a confirming listing that is due at the given time. */
async function completed(
  store: RevocationStore,
  verificationDueAt: number | null = DUE,
  different: Parameters<typeof accept>[1] = {},
): Promise<Revocation> {
  const { id } = await accept(store, different)
  await claim(store)
  await store.end(id, aCompletion({ verificationDueAt }))
  return existing(await store.get(id))
}

eachStore(async (t, opened) => {
  t.test('a completed revocation is verified only by its confirming listing', async (t) => {
    const store = await opened(t)
    const one = await completed(store)
    t.match(one, { status: 'completed', verified: false, proof: PROOF })
    const { claimed, postponed } = await confirmations(store)
    t.match([claimed, postponed], [[{ id: one.id, status: 'completed' }], 0])
    t.match(await confirmations(store), { claimed: [] }, 'once claimed, it is not due for a while')
    t.match(await store.confirm(one.id, PROVEN), { verified: true, verificationDueAt: null })
    t.match(await store.get(one.id), { verified: true, verificationDueAt: null })
    await t.rejects(store.retry(one.id, T0), { code: 'CURFEW_NOT_RETRYABLE' })
  })

  t.test('a confirming listing that is not due is not claimed, and its due time is known', async (t) => {
    const store = await opened(t)
    await completed(store, T0 + 3_600_000)
    t.match(await confirmations(store), { claimed: [], postponed: 0 })
    t.ok(Number(await store.nextDueAt(T0)) > T0)
    const elsewhere = await completed(store, T0 + 1_800_000, { tenant: 'other' })
    await completed(store, T0 + 7_200_000, { tenant: 'third' })
    const next = Number(await store.nextDueAt(T0))
    // A store may have its own clock, which differs from this one.
    const ahead = Number(elsewhere.verificationDueAt) - T0 - 1_800_000
    t.ok(Math.abs(next + ahead - Number(elsewhere.verificationDueAt)) < 5_000, 'of all tenants the first')
  })

  t.test('a remaining token queues the revocation again under the same id', async (t) => {
    const store = await opened(t)
    const one = await completed(store)
    await confirmations(store)
    const found = { found: 'tokens', remaining: 2, now: T0 } as const
    t.match(await store.confirm(one.id, found), { id: one.id, status: 'queued', outcome: null })
    t.match(await claim(store), [
      { id: one.id, tokens: { ...TOKENS, remaining: 2 }, proof: null, completedAt: null, attempts: 2 },
    ])
  })

  t.test('a revocation queued for the same user joins the one that found a token', async (t) => {
    const store = await opened(t)
    const one = await completed(store)
    await confirmations(store)
    const newer = await accept(store, { reason: 'security', scope: 'all' })
    await store.confirm(one.id, { found: 'tokens', remaining: 1, now: T0 })
    t.match(await store.get(newer.id), { id: one.id, status: 'queued', reason: 'security', scope: 'all' })
    t.match(await claim(store), [{ id: one.id }])
  })

  t.test('a newer proof confirms older revocations of the same user if it covers them', async (t) => {
    const store = await opened(t)
    const narrow = await completed(store, DUE, { occurredAt: T0 - 9 })
    const all = await completed(store, DUE, { scope: 'all', reason: 'security' })
    const other = await completed(store, DUE, { deviceType: 'Phone' })
    const running = await accept(store)
    t.match(await claim(store), [{ id: running.id }])
    const { claimed, postponed } = await confirmations(store)
    t.match([claimed.map(({ id }) => id), postponed], [[other.id], 2], 'they wait for the one that runs')
    await store.end(running.id, aCompletion({ verificationDueAt: DUE, completedAt: T0 + 1 }))
    t.match(await confirmations(store), { claimed: [{ id: running.id }], postponed: 0 })
    await store.confirm(running.id, PROVEN)
    t.match(await store.get(running.id), { verified: true })
    t.match(await store.get(narrow.id), { verified: true, verificationDueAt: null })
    t.match(await store.get(all.id), { verified: false }, 'it is about more tokens')
    t.match(await store.get(other.id), { verified: false }, 'it is about another device')
  })

  t.test('so does a proof from a run that ended with its confirming listing', async (t) => {
    const store = await opened(t)
    const older = await completed(store)
    const { id } = await completed(store, null)
    t.match(await store.get(id), { verified: true })
    t.match(await store.get(older.id), { verified: true, verificationDueAt: null })
  })

  t.test('a proof confirms no revocation with a signal after its listing', async (t) => {
    const store = await opened(t)
    const all = await completed(store, DUE, { scope: 'all', reason: 'security' })
    t.match(await confirmations(store), { claimed: [{ id: all.id }] })
    // While it lists.
    const later = await completed(store, DUE, { occurredAt: T0 + 6_000 })
    await store.confirm(all.id, PROVEN)
    t.match(await store.get(all.id), { verified: true })
    t.match(await store.get(later.id), { verified: false, verificationDueAt: later.verificationDueAt })
  })

  t.test(
    'a failed listing is due again, and the last failure leaves the revocation unverified',
    async (t) => {
      const store = await opened(t)
      const one = await completed(store)
      const failed = {
        found: 'unknown',
        error: FAILURE,
        fruitless: 1,
        failingSince: T0,
        backoffMs: 9,
      } as const
      await confirmations(store)
      await store.confirm(one.id, { ...failed, verificationDueAt: DUE })
      t.match(await store.get(one.id), { status: 'completed', verified: false, error: FAILURE })
      t.match(await confirmations(store), { claimed: [{ id: one.id, fruitless: 1 }] })
      await store.confirm(one.id, { ...failed, verificationDueAt: null })
      t.match(await store.get(one.id), { status: 'completed', verified: false, verificationDueAt: null })
      t.match(await confirmations(store), { claimed: [], postponed: 0 })
      t.match(await store.retry(one.id, T0), { id: one.id, status: 'queued' }, 'and can be tried again')
    },
  )

  t.test('a retry before the confirming listing changes nothing', async (t) => {
    const store = await opened(t)
    const one = await completed(store)
    t.strictSame(await store.retry(one.id, T0), one)
    t.strictSame(await store.get(one.id), one)
  })

  t.test('a late listing changes nothing', async (t) => {
    const store = await opened(t)
    const one = await completed(store)
    await confirmations(store)
    await store.confirm(one.id, { found: 'tokens', remaining: 1, now: T0 })
    t.equal(await store.confirm(one.id, PROVEN), null)
    t.match(await store.get(one.id), { status: 'queued' })
    const [run] = await claim(store)
    await store.end(one.id, aFailure())
    t.equal(existing(run).id, one.id)
    t.match(await store.get(one.id), { status: 'failed', verified: false })
  })

  t.test('each tenant gets its share, and a tenant without room is skipped', async (t) => {
    const store = await opened(t)
    for (const tenant of ['many', 'full', 'few'])
      for (const userId of ['a', 'b', 'c']) await completed(store, DUE, { tenant, userId })
    const exceptions = new Map([['full', 0]])
    const { claimed } = await store.claimConfirmations({
      now: T0,
      room: { total: 9, perTenant: 2, exceptions },
    })
    t.same(claimed.map(({ tenant }) => tenant).sort(), ['few', 'few', 'many', 'many'])
  })

  t.test('a Qlik user belongs to one run at a time, the most urgent one', async (t) => {
    const store = await opened(t)
    const byId = await accept(store, { userId: 'u' })
    const byName = await accept(store, { user: { kind: 'email', value: 'u@example.com' } })
    const urgent = await accept(store, { user: { kind: 'subject', value: 'u' }, reason: 'security' })
    const elsewhere = await accept(store, { userId: 'u', tenant: 'other' })
    await claim(store)
    t.equal(await store.lockUsers(byId.id, ['u', 'v'], 1), true)
    t.equal(await store.lockUsers(byId.id, ['u', 'v'], 1), true, 'twice is once')
    t.equal(await store.lockUsers(byName.id, ['w', 'u'], 1), false)
    t.equal(await store.lockUsers(elsewhere.id, ['u'], 1), true)
    t.same(await store.overtaken(), [])
    t.equal(await store.lockUsers(urgent.id, ['u'], 0), true)
    t.same(await store.overtaken(), [byId.id])
    await store.putBack(byId.id, { ...byId, nextAttemptAt: null })
    t.same(await store.overtaken(), [])
    t.equal(await store.lockUsers(byName.id, ['w', 'v'], 1), true)
    t.equal(await store.lockUsers(byName.id, ['w', 'u'], 1), false)
    await store.end(urgent.id, aCompletion())
    t.equal(await store.lockUsers(byName.id, ['w', 'u'], 1), true)
    t.equal(await store.lockUsers(byId.id, ['x'], 1), false, 'one that does not run locks nobody')
  })
})
