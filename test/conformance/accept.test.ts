import { DeviceType, Identifier } from '../../src/revocation/signal.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { accept, claim, eachStore } from './stores.ts'

/** Text of this many three-byte characters that compresses badly. */
const incompressible = (length: number) =>
  Array.from({ length }, (_, index) => String.fromCharCode(0x4e00 + ((index * index * 7_919) % 20_000))).join(
    '',
  )

eachStore(async (t, opened) => {
  t.test('an accepted signal is a queued revocation, found by its id', async (t) => {
    const store = await opened(t)
    const revocation = await accept(store, { deviceType: 'Phone', reason: 'security', scope: 'all' })
    t.match(revocation, {
      status: 'queued',
      reason: 'security',
      scope: 'all',
      deviceType: 'Phone',
      attempts: 0,
    })
    t.strictSame(await store.get(revocation.id), revocation)
    t.equal(await store.get('00000000-0000-7000-8000-000000000000'), null)
  })

  t.test('a signal joins the queued one: latest time, highest urgency, widest scope', async (t) => {
    const store = await opened(t)
    const first = await accept(store, { reason: 'session-expired' })
    const second = await accept(store, {
      reason: 'security',
      scope: 'all',
      occurredAt: T0 - 5,
    })
    const third = await accept(store, { reason: 'logout', occurredAt: T0 + 7 })
    t.same([second.id, third.id], [first.id, first.id])
    t.match(third, {
      reason: 'security',
      scope: 'all',
      occurredAt: T0 + 7,
      status: 'queued',
    })
  })

  t.test('users of different tenants, and names of different kinds, do not join', async (t) => {
    const store = await opened(t)
    const ids = await Promise.all([
      accept(store),
      accept(store, { tenant: 'other' }),
      accept(store, { user: { kind: 'subject', value: 'u1' } }),
      accept(store, { userId: 'U1' }),
    ])
    t.equal(new Set(ids.map(({ id }) => id)).size, 4)
  })

  t.test('signals for different device types do not join, and run side by side', async (t) => {
    const store = await opened(t)
    const types = [null, 'Phone', 'Laptop']
    const ids = await Promise.all(types.map((deviceType) => accept(store, { deviceType })))
    t.equal(new Set(ids.map(({ id }) => id)).size, 3)
    t.equal((await claim(store)).length, 3)
  })

  t.test('the longest valid name and device type are accepted', async (t) => {
    const store = await opened(t)
    for (const kind of ['userId', 'subject', 'email'] as const) {
      const signal = { user: { kind, value: incompressible(512) }, deviceType: incompressible(170) }
      t.ok(Identifier.safeParse(signal.user.value).success && DeviceType.safeParse(signal.deviceType).success)
      const { id } = await accept(store, signal)
      t.equal((await accept(store, signal)).id, id)
    }
    t.equal((await claim(store)).length, 3)
  })

  t.test('signals of one request join each other', async (t) => {
    const store = await opened(t)
    const { revocations } = await store.accept([aSignal(), aSignal({ userId: 'u2' }), aSignal()], null, T0)
    t.equal(revocations[0]?.id, revocations[2]?.id)
    t.not(revocations[0]?.id, revocations[1]?.id)
  })

  t.test('the signals of one request are accepted all or none', async (t) => {
    const store = await opened(t)
    const unstorable = { ...aSignal({ userId: 'b' }), tenant: null as never }
    await t.rejects(store.accept([aSignal({ userId: 'a' }), unstorable], { key: 'k', fingerprint: null }, T0))
    t.same((await store.list({ limit: 10 })).items, [])
    t.match(await store.accept([aSignal()], { key: 'k', fingerprint: null }, T0), { replayed: false })
  })

  t.test(
    'a repeated key returns the first answer; another request with the same key is rejected',
    async (t) => {
      const store = await opened(t)
      const replay = { key: 'k', fingerprint: 'f' }
      const first = await store.accept([aSignal()], replay, T0)
      await claim(store)
      const again = await store.accept([aSignal()], replay, T0 + 600_000)
      t.strictSame(again, { revocations: first.revocations, replayed: true })
      t.equal((await store.list({ limit: 10 })).items.length, 1)
      await t.rejects(store.accept([aSignal()], { key: 'k', fingerprint: 'g' }, T0), {
        code: 'CURFEW_IDEMPOTENCY_MISMATCH',
      })
      const later = await store.accept([aSignal()], replay, T0 + 600_001)
      t.equal(later.replayed, false, 'the key is forgotten after ten minutes')
    },
  )

  t.test('a key can be looked up before its request is accepted', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: 'f' }
    t.equal(await store.isReplay(replay, T0), false)
    await store.accept([aSignal()], replay, T0)
    t.equal(await store.isReplay(replay, T0 + 600_000), true)
    await t.rejects(store.isReplay({ ...replay, fingerprint: 'g' }, T0), {
      code: 'CURFEW_IDEMPOTENCY_MISMATCH',
    })
    t.equal(await store.isReplay(replay, T0 + 600_001), false)
  })

  t.test('a request without signals records its key only', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: 'f' }
    t.same(await store.accept([], replay, T0), { revocations: [], replayed: false })
    t.same(await store.accept([aSignal()], replay, T0), { revocations: [], replayed: true })
    t.same((await store.list({ limit: 10 })).items, [])
  })

  t.test('two concurrent requests with one key count as one', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: null }
    const [one, other] = await Promise.all([
      store.accept([aSignal()], replay, T0),
      store.accept([aSignal({ userId: 'u2' })], replay, T0),
    ])
    t.same([one.replayed, other.replayed].sort(), [false, true], 'whichever comes first')
    t.strictSame(other.revocations, one.revocations)
  })
})
