import type { Session, SessionSource } from '../../src/revocation/session.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { eachStore } from './stores.ts'

const OP: SessionSource = { tenant: 'default', source: 'op', isOnly: true }
/** Sources and tenants in which the same `sid` is another session. */
const ELSEWHERE: SessionSource[] = [
  { ...OP, tenant: 'other' },
  { ...OP, source: 'other' },
  { ...OP, source: 'other', isOnly: false },
]
const session = (different: Partial<Session> = {}): Session => ({
  sid: 's1',
  user: { kind: 'subject', value: 'u1' },
  expiresAt: T0 + 1_000,
  ...different,
})
const HOUR = 60 * 60_000

eachStore(async (t, opened) => {
  t.test('a session is found in its tenant and for its source, until it expires', async (t) => {
    const store = await opened(t)
    await store.noteSession(OP, session())
    t.strictSame(await store.findSession(OP, 's1', T0 + 999), session())
    t.strictSame(await store.findSession({ ...OP, isOnly: false }, 's1', T0), session())
    t.equal(await store.findSession(OP, 's1', T0 + 1_000), null)
    for (const of of ELSEWHERE) t.equal(await store.findSession(of, 's1', T0), null)
    t.equal(await store.findSession(OP, 'S1', T0), null)
  })

  t.test('recording a session again replaces it, even with an earlier expiry', async (t) => {
    const store = await opened(t)
    await store.noteSession(OP, session())
    const newer = session({ user: { kind: 'email', value: 'ann@example.com' }, expiresAt: T0 + 5 })
    await store.noteSession({ ...OP, isOnly: false }, newer)
    t.strictSame(await store.findSession(OP, 's1', T0), newer)
    t.equal(await store.findSession(OP, 's1', T0 + 5), null)
    const other = session({ user: { kind: 'userId', value: 'q1' } })
    await Promise.all([
      ...ELSEWHERE.map((of) => store.noteSession(of, other)),
      store.noteSession(OP, { ...other, sid: 's2' }),
    ])
    for (const of of ELSEWHERE) t.strictSame(await store.findSession(of, 's1', T0), other)
    t.strictSame(await store.findSession(OP, 's1', T0), newer)
  })

  t.test('the last of several changes to a session counts, even if calls overlap', async (t) => {
    const store = await opened(t)
    const calls = Array.from({ length: 300 }, (_, index) => {
      const sid = `s${index % 7}`
      if (index % 5 === 0) return store.forgetSession(OP, sid)
      return store.noteSession(OP, session({ sid, user: { kind: 'userId', value: String(index) } }))
    })
    await Promise.all(calls)
    const found = await Promise.all(
      Array.from(
        { length: 7 },
        async (_, index) => (await store.findSession(OP, `s${index}`, T0))?.user.value,
      ),
    )
    t.strictSame(found, ['294', undefined, '296', '297', '298', '299', '293'])
  })

  t.test('forgetting a session is idempotent and affects its source only', async (t) => {
    const store = await opened(t)
    await store.noteSession(OP, session())
    for (const of of ELSEWHERE) await store.noteSession(of, session())
    for (const _ of ['once', 'twice']) await store.forgetSession(OP, 's1')
    t.equal(await store.findSession(OP, 's1', T0), null)
    for (const of of ELSEWHERE) t.ok(await store.findSession(of, 's1', T0))
  })

  t.test('purge deletes all expired sessions and nothing else', async (t) => {
    const store = await opened(t)
    const many = Array.from({ length: 1_100 }, (_, index) => session({ sid: `old${index}` }))
    await Promise.all([...many, session({ expiresAt: T0 + 1_001 })].map((one) => store.noteSession(OP, one)))
    t.equal(await store.purge(0, T0 + 1_000), 1_100)
    t.ok(await store.findSession(OP, 's1', T0))
    t.equal(await store.findSession(OP, 'old7', T0), null)
    t.equal(await store.purge(0, T0 + 1_000), 0)
  })

  t.test('any text can be a session id', async (t) => {
    const store = await opened(t)
    const longest = String.fromCodePoint(
      ...Array.from({ length: 256 }, (_, index) => 0x1f300 + ((index * 7) % 0x400)),
    )
    for (const sid of ["it's", '{"a":1}', '\\', '👤', ' ', 'a/b?c=%', longest]) {
      const noted = session({ sid, user: { kind: 'userId', value: sid } })
      await store.noteSession({ ...OP, source: 'x'.repeat(63) }, noted)
      t.strictSame(await store.findSession({ ...OP, source: 'x'.repeat(63) }, sid, T0), noted)
    }
  })

  t.test('a closed store reports that it is unavailable', async (t) => {
    const store = await opened(t)
    await store.close()
    const unavailable = { code: 'CURFEW_STORE_UNAVAILABLE' }
    await t.rejects(store.noteSession(OP, session()), unavailable)
    await t.rejects(store.forgetSession(OP, 's1'), unavailable)
  })

  t.test('a replay key is kept until its keepUntil', async (t) => {
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

  t.test('a replay key is kept for at least ten minutes', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: null, keepUntil: T0 + 5 }
    await store.accept([aSignal()], replay, T0)
    t.match(await store.accept([aSignal()], replay, T0 + 600_000), { replayed: true })
    t.match(await store.accept([aSignal()], replay, T0 + 600_001), { replayed: false })
  })
})
