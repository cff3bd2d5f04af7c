import { join } from 'node:path'
import t, { type Test } from 'tap'
import { REPLAY_WINDOW_MS } from '../../../src/revocation/replay.ts'
import { openSqliteStore, type SqliteStore } from '../../../src/stores/sqlite/store.ts'
import { accept, claim } from '../../conformance/stores.ts'
import { temporaryFolder } from '../../support/service.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'

const REPLAY = { key: 'k', fingerprint: 'f' }
const LATER = T0 + 60_000
const IDP = { ...AN_ORIGIN, name: 'idp', id: 'idp' }

function setUp(t: Test, massRevocation = { users: 0, windowMs: 0 }) {
  const path = join(temporaryFolder(t), 'curfew.db')
  const open = () => {
    const store = openSqliteStore(path, undefined, undefined, { massRevocation })
    t.teardown(() => store.close())
    return store
  }
  return { open }
}

const signalsOf = (count: number, at = T0) =>
  Array.from({ length: count }, (_, index) =>
    aSignal({ userId: `u${index}`, occurredAt: at, acceptedAt: at }),
  )

/** Ends the process after the first part of a request, and before the last. */
async function interrupted(t: Test, open: () => SqliteStore, onWork = () => {}) {
  const store = open()
  store.watch({ onWork, onEnded: () => {} })
  const failed = store.accept(signalsOf(250), REPLAY, T0, AN_ORIGIN)
  await accept(store, { userId: 'other' })
  await store.close()
  await t.rejects(failed, { code: 'CURFEW_STORE_UNAVAILABLE' })
}

t.test('others are served while a large request is accepted', async (t) => {
  const store = setUp(t).open()
  const order: string[] = []
  const large = store.accept(signalsOf(1_000), null, T0, AN_ORIGIN).then(() => order.push('large'))
  const small = accept(store, { userId: 'other' }).then(() => order.push('small'))
  await Promise.all([large, small])
  t.same(order, ['small', 'large'])
  t.match(await store.backlog(), [{ status: 'queued', count: 1_001 }])
})

t.test('a repetition gets the whole answer, after a restart, too', async (t) => {
  const { open } = setUp(t)
  const store = open()
  const signals = signalsOf(250)
  const first = await store.accept(signals, REPLAY, T0, AN_ORIGIN)
  t.equal(first.replayed, false)
  t.same(
    first.revocations.map(({ user }) => user.value),
    signals.map(({ user }) => user.value),
    'in order',
  )
  await store.close()
  const again = await open().accept(signals, REPLAY, T0, AN_ORIGIN)
  t.same(again, { revocations: first.revocations, replayed: true })
})

t.test('of two equal requests at once, one is accepted and the other repeats its answer', async (t) => {
  const store = setUp(t).open()
  const send = () => store.accept(signalsOf(250), REPLAY, T0, AN_ORIGIN)
  const [first, second] = await Promise.all([send(), send()])
  t.match([first.replayed, second.replayed], [false, true])
  t.same(second.revocations, first.revocations)
})

t.test(
  'a repetition continues an interrupted request, even if its first revocations have started',
  async (t) => {
    const { open } = setUp(t)
    await interrupted(t, open)
    const store = open()
    const started = new Map((await claim(store)).map(({ id, user }) => [user.value, id]))
    t.ok(started.size > 1 && started.size < 251, 'a part was accepted')
    t.equal(await store.isReplay(REPLAY, T0), false, 'there is no whole answer yet')

    const again = await store.accept(signalsOf(250, LATER), REPLAY, LATER, AN_ORIGIN)
    t.equal(again.replayed, false)
    t.same(
      again.revocations.map(({ user }) => user.value),
      signalsOf(250).map(({ user }) => user.value),
      'the whole answer, in order',
    )
    t.same(
      again.revocations.filter(({ id, user }) => (started.get(user.value) ?? id) !== id),
      [],
      'no second revocation of any user',
    )
    t.match(await store.backlog(), [
      { status: 'queued', count: 251 - started.size },
      { status: 'running', count: started.size },
    ])
    t.same(await store.accept(signalsOf(250, LATER), REPLAY, LATER, AN_ORIGIN), { ...again, replayed: true })
  },
)

t.test('an interrupted request is not continued with another one under the same key', async (t) => {
  const { open } = setUp(t)
  await interrupted(t, open)
  const store = open()
  for (const count of [1, 250])
    await t.rejects(store.accept(signalsOf(count), { ...REPLAY, fingerprint: 'g' }, LATER, AN_ORIGIN), {
      code: 'CURFEW_IDEMPOTENCY_MISMATCH',
    })
})

t.test('an interrupted request is forgotten with its key', async (t) => {
  const { open } = setUp(t)
  await interrupted(t, open)
  const store = open()
  const started = new Set((await claim(store)).map(({ id }) => id))
  t.ok(started.size > 0)
  const muchLater = T0 + REPLAY_WINDOW_MS + 1
  const { revocations } = await store.accept(signalsOf(250, muchLater), REPLAY, muchLater, AN_ORIGIN)
  t.same(
    revocations.filter(({ id }) => started.has(id)),
    [],
    'each user is accepted again',
  )
})

t.test('the worker is notified of what a failed request has accepted', async (t) => {
  const { open } = setUp(t)
  let notified = 0
  await interrupted(t, open, () => {
    notified += 1
  })
  t.equal(notified, 1)
})

t.test('a large request can be held in part, and reports it', async (t) => {
  const store = setUp(t, { users: 150, windowMs: 600_000 }).open()
  const { isBraked, revocations } = await store.accept(signalsOf(250), null, T0, IDP)
  t.equal(isBraked, true)
  t.equal(revocations.filter(({ status }) => status === 'held').length, 100)
})
