import type { Session } from '../../src/revocation/session.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { eachStore } from './stores.ts'

const session = (different: Partial<Session> = {}): Session => ({
  tenant: 'default',
  sid: 's1',
  user: { kind: 'subject', value: 'u1' },
  expiresAt: T0 + 1_000,
  ...different,
})
const HOUR = 60 * 60_000

eachStore(async (t, opened) => {
  t.test('a session is found in its tenant, until it expires', async (t) => {
    const store = await opened(t)
    await store.noteSession(session())
    t.strictSame(await store.findSession('default', 's1', T0 + 999), session())
    t.equal(await store.findSession('default', 's1', T0 + 1_000), null)
    t.equal(await store.findSession('other', 's1', T0), null)
    t.equal(await store.findSession('default', 'S1', T0), null)
  })

  t.test('noted again it is replaced, also by a shorter life', async (t) => {
    const store = await opened(t)
    await store.noteSession(session())
    const newer = session({ user: { kind: 'email', value: 'ann@example.com' }, expiresAt: T0 + 5 })
    await store.noteSession(newer)
    t.strictSame(await store.findSession('default', 's1', T0), newer)
    const others = [
      session({ tenant: 'other', user: { kind: 'userId', value: 'q1' } }),
      session({ sid: 's2' }),
    ]
    await Promise.all(others.map((other) => store.noteSession(other)))
    for (const other of others) t.strictSame(await store.findSession(other.tenant, other.sid, T0), other)
    t.strictSame(await store.findSession('default', 's1', T0), newer)
  })

  t.test('a session can be forgotten, once or twice', async (t) => {
    const store = await opened(t)
    await store.noteSession(session())
    await store.noteSession(session({ tenant: 'other' }))
    for (const _ of ['once', 'twice']) await store.forgetSession('default', 's1')
    t.equal(await store.findSession('default', 's1', T0), null)
    t.ok(await store.findSession('other', 's1', T0))
  })

  t.test('purge deletes what has expired, however much it is, and nothing else', async (t) => {
    const store = await opened(t)
    const many = Array.from({ length: 1_100 }, (_, index) => session({ sid: `old${index}` }))
    await Promise.all([...many, session({ expiresAt: T0 + 1_001 })].map((one) => store.noteSession(one)))
    t.equal(await store.purge(0, T0 + 1_000), 1_100)
    t.ok(await store.findSession('default', 's1', T0))
    t.equal(await store.findSession('default', 'old7', T0), null)
    t.equal(await store.purge(0, T0 + 1_000), 0)
  })

  t.test('any text can be the name of a session', async (t) => {
    const store = await opened(t)
    for (const sid of ["it's", '{"a":1}', '\\', '👤', ' ', 'a/b?c=%']) {
      await store.noteSession(session({ sid, user: { kind: 'userId', value: sid } }))
      t.match(await store.findSession('default', sid, T0), { sid, user: { value: sid } })
    }
  })

  t.test('a closed store says that it cannot be used', async (t) => {
    const store = await opened(t)
    await store.close()
    const unavailable = { code: 'CURFEW_STORE_UNAVAILABLE' }
    await t.rejects(store.noteSession(session()), unavailable)
    await t.rejects(store.forgetSession('default', 's1'), unavailable)
  })

  t.test('a replay key is known for as long as it asks for, and not forgotten sooner', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: null, keepUntil: T0 + HOUR }
    const first = await store.accept([aSignal()], replay, T0)
    t.equal(await store.purge(0, T0 + HOUR), 0)
    const last = await store.accept([aSignal({ userId: 'u2' })], replay, T0 + HOUR)
    t.strictSame(last, { revocations: first.revocations, replayed: true })
    const later = await store.accept([aSignal()], { ...replay, keepUntil: T0 + 3 * HOUR }, T0 + HOUR + 1)
    t.equal(later.replayed, false, 'then it is new')
    t.equal(await store.purge(0, T0 + 3 * HOUR), 0)
    t.equal(await store.purge(0, T0 + 3 * HOUR + 1), 1)
  })

  t.test('one that asks for less than ten minutes is known for ten', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: null, keepUntil: T0 + 5 }
    await store.accept([aSignal()], replay, T0)
    t.match(await store.accept([aSignal()], replay, T0 + 600_000), { replayed: true })
    t.match(await store.accept([aSignal()], replay, T0 + 600_001), { replayed: false })
  })
})
