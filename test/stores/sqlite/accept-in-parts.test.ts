import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { accept } from '../../conformance/stores.ts'
import { temporaryFolder } from '../../support/service.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'

const REPLAY = { key: 'k', fingerprint: 'f' }
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

const signalsOf = (count: number, prefix = 'u') =>
  Array.from({ length: count }, (_, index) => aSignal({ userId: `${prefix}${index}` }))

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

t.test('a request that failed on the way is repeated without a second revocation of any user', async (t) => {
  const { open } = setUp(t)
  const store = open()
  const failed = store.accept(signalsOf(250), REPLAY, T0, AN_ORIGIN)
  // After the first part, and before the last.
  await accept(store, { userId: 'other' })
  await store.close()
  await t.rejects(failed, { code: 'CURFEW_STORE_UNAVAILABLE' })
  const later = open()
  const partly = await later.backlog()
  t.ok((partly[0]?.count ?? 0) < 251, 'a part is missing')
  t.match(await later.accept(signalsOf(250), REPLAY, T0, AN_ORIGIN), { replayed: false })
  t.match(await later.backlog(), [{ status: 'queued', count: 251 }])
})

t.test('a large request can be held in part, and reports it', async (t) => {
  const store = setUp(t, { users: 150, windowMs: 600_000 }).open()
  const { isBraked, revocations } = await store.accept(signalsOf(250), null, T0, IDP)
  t.equal(isBraked, true)
  t.equal(revocations.filter(({ status }) => status === 'held').length, 100)
})
