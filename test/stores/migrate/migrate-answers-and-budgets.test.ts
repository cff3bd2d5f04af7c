import t, { type Test } from 'tap'
import type { ExchangeRequest } from '../../../src/qlik/budget/permit-log.ts'
import { REPLAY_WINDOW_MS } from '../../../src/revocation/replay.ts'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { startPostgres } from '../../support/postgres.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { migrationStores } from './migration-stores.ts'

const server = await startPostgres(t)
const stores = (t: Test) => migrationStores(t, server)

t.test('a repeated request gets its first answer as long as SQLite would return it', async (t) => {
  const { fill, move, target } = await stores(t)
  const recent = await fill(async (source) => {
    await source.accept([aSignal()], { key: 'old', fingerprint: null }, T0 - REPLAY_WINDOW_MS - 1)
    return source.accept([aSignal({ userId: 'a' })], { key: 'recent', fingerprint: 'f' }, T0)
  })
  t.match(await move(), { replays: 1 })
  const store = await target()
  const again = await store.accept([aSignal({ userId: 'a' })], { key: 'recent', fingerprint: 'f' }, T0)
  t.strictSame(again, { revocations: recent.revocations, replayed: true })
  await t.rejects(store.accept([], { key: 'recent', fingerprint: 'other' }, T0), {
    code: 'CURFEW_IDEMPOTENCY_MISMATCH',
  })
  t.match(await store.accept([aSignal()], { key: 'old', fingerprint: null }, T0), { replayed: false })
})

t.test('calls of the last window count once, as long as in SQLite', async (t) => {
  const { fill, move, target, contents } = await stores(t)
  const key = { origin: 'https://a', tenant: 'default', client: 'c', tier: 2 } as const
  const now = Date.now()
  await fill(async (store) => {
    for (const ago of [320_000, 200_000, 200_000, 1_000]) await store.permits.note(key, now - ago, 0)
    await store.permits.note({ ...key, tier: 1 }, now, 0)
    await store.permits.block({ ...key, client: 'blocked' }, now + 60_000)
  })
  t.match(await move({ now: () => now }), { budgets: 3 })
  await move({ now: () => now })
  const { permits } = await target()
  if (!('exchange' in permits)) throw new Error('expected permits that are shared')
  const ask: ExchangeRequest = {
    key,
    holder: '00000000-0000-4000-8000-000000000001',
    limit: 5,
    windowMs: 300_000,
    leaseMs: 20_000,
    held: 0,
    ended: 0,
    endedAgoMs: 0,
    wanted: 5,
    probe: 'none',
  }
  const answer = await permits.exchange(ask)
  t.equal(answer.granted, 2, 'three of the last window count')
  t.ok(answer.waitMs > 101_000 && answer.waitMs < 111_000, `310 s after its start: ${answer.waitMs}`)
  t.match(await permits.exchange({ ...ask, key: { ...key, tier: 1 } }), { granted: 4 })
  const blocked = await permits.exchange({ ...ask, key: { ...key, client: 'blocked' } })
  t.equal(blocked.granted, 0)
  t.ok(blocked.waitMs > 40_000 && blocked.waitMs <= 60_000)
  t.match(await contents(), { counts: [{ calls: 4 }] })
})

t.test('learned limits keep their age; a later one in PostgreSQL is kept', async (t) => {
  const { fill, move, target } = await stores(t)
  const [old, later] = [{ origin: 'https://a', tier: 2 } as const, { origin: 'https://b', tier: 1 } as const]
  await fill(async ({ permits }) => {
    await permits.learnLimit?.({ ...old, calls: 350 })
    await permits.learnLimit?.({ ...later, calls: 70 })
  })
  const { permits } = await target()
  await permits.learnLimit?.({ ...later, calls: 49 })
  const now = Date.now() + 600_000
  await move({ now: () => now })
  const limits = (await permits.learnedLimits?.()) ?? []
  t.match(
    limits.sort((one, other) => other.tier - one.tier),
    [
      { ...old, calls: 350 },
      { ...later, calls: 49 },
    ],
  )
  const ageMs = limits[0]?.ageMs ?? 0
  t.ok(ageMs >= 600_000 && ageMs < 660_000, `it was learned ${ageMs} ms ago`)
})

t.test('unexpired sessions are copied; those already in PostgreSQL are kept', async (t) => {
  const { fill, move, target, path } = await stores(t)
  const of = { tenant: 'default', source: 'op', isOnly: false }
  const session = (sid: string, value: string, expiresAt = T0 + 60_000) => ({
    ...{ sid, expiresAt },
    user: { kind: 'subject' as const, value },
  })
  const many = Array.from({ length: 600 }, (_, index) => session(`many${index}`, 'a'))
  const noted = [session('s1', 'a'), session('noted-there', 'a'), session('expired', 'a', T0), ...many]
  await fill((source) => Promise.all(noted.map((one) => source.noteSession(of, one))))
  const file = openDatabase(path)
  const note = file.prepare(`INSERT INTO sessions VALUES ('default', ?, 'subject', 'a', ?)`)
  note.run('unsourced', T0 + 60_000)
  note.run('unsourced-expired', T0)
  file.close()
  const store = await target()
  await store.noteSession(of, session('noted-there', 'b'))
  t.match(await move(), { sessions: 602 })
  t.strictSame(await store.findSession(of, 's1', T0), session('s1', 'a'))
  t.strictSame(await store.findSession(of, 'noted-there', T0), session('noted-there', 'b'))
  t.equal(await store.findSession(of, 'expired', T0 - 1), null)
  t.equal(await store.findSession({ ...of, source: 'other' }, 's1', T0), null)
  const only = { ...of, isOnly: true }
  t.strictSame(await store.findSession(only, 'unsourced', T0), session('unsourced', 'a'))
  t.equal(await store.findSession(of, 'unsourced', T0), null)
  t.equal(await store.findSession(only, 'unsourced-expired', T0 - 1), null)
  t.match(await move(), { sessions: 0 })
})
