import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { LONGEST_WAIT_MS } from '../../../src/base/backoff.ts'
import { MIGRATIONS } from '../../../src/stores/sqlite/migrations.ts'
import { aCompletion, accept, claim, existing, room, TOKENS, waiting } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { migrationStores, oneOfEach } from './migration-stores.ts'

const server = await startPostgres(t)
const stores = (t: Test) => migrationStores(t, server)

t.test('every revocation is copied unchanged, with every id; running ones are queued', async (t) => {
  const { fill, move, target, contents } = await stores(t)
  const { expected, kinds } = await fill(async (store) => {
    const kinds = await oneOfEach(store)
    const entries = Object.values(kinds).map(async ({ id }) => [id, existing(await store.get(id))] as const)
    return { kinds, expected: new Map(await Promise.all(entries)) }
  })
  t.match(await move(), { queued: 4, completed: 1, failed: 1, joined: 0, known: 0, widened: 0 })
  const store = await target()
  for (const [id, one] of expected)
    t.strictSame(await store.get(id), { ...one, status: one.status === 'running' ? 'queued' : one.status })
  t.equal((await store.get(kinds.newer?.id ?? ''))?.id, kinds.older?.id)
  const { jobs } = await contents()
  t.same(
    jobs.map(({ id, priority, waits }) => [id, priority, waits]),
    [
      [kinds.waiting?.id, 1, true],
      [kinds.older?.id, 1, false],
      [kinds.running?.id, 1, false],
      [kinds.queued?.id, 0, false],
    ],
    'each has its job; one that waits, when it is due',
  )
  const claimed = (await claim(store)).map(({ id }) => id)
  t.same(claimed.sort(), [kinds.older?.id, kinds.running?.id, kinds.queued?.id].sort())
})

t.test('finished revocations are found by the Qlik user that their name resolved to', async (t) => {
  const { fill, move, target } = await stores(t)
  const { id } = await fill(async (store) => {
    const one = await accept(store, { user: { kind: 'email', value: 'ann@example.com' } })
    await claim(store)
    await store.end(one.id, aCompletion({ resolved: ['u7', 'u8'] }))
    return one
  })
  await move()
  const store = await target()
  for (const userId of ['u7', 'u8'])
    t.match(await store.list({ user: { kind: 'userId', value: userId }, limit: 9 }), { items: [{ id }] })
})

t.test('a running revocation absorbs the one queued behind it', async (t) => {
  const { fill, move, target } = await stores(t)
  const [running, queued] = await fill(async (store) => {
    const first = await accept(store, { userId: 'u' })
    await claim(store)
    await store.progress(first.id, TOKENS)
    return [first, await accept(store, { userId: 'u', reason: 'security', scope: 'all', occurredAt: T0 + 5 })]
  })
  t.match(await move(), { queued: 1, joined: 1 })
  const store = await target()
  const one = await store.get(String(queued?.id))
  t.match(one, { id: running?.id, status: 'queued', reason: 'security', scope: 'all', occurredAt: T0 + 5 })
  t.match(one, { attempts: 1, tokens: TOKENS }, 'what was done is not forgotten')
  t.match(await store.claim({ now: T0, room: room(1, 0, 0) }), [{ id: running?.id }], 'its job is as urgent')
  t.same(await claim(store), [])
})

t.test(
  'a pending revocation joins the one queued in PostgreSQL for its user, with all its ids',
  async (t) => {
    const { fill, move, target } = await stores(t)
    const store = await target()
    const there = await accept(store, { userId: 'u', reason: 'session-expired', occurredAt: T0 + 1 })
    const [older, newer] = await fill(async (source) => {
      const first = await accept(source, { userId: 'u', reason: 'security', scope: 'all', occurredAt: T0 })
      const [run] = await claim(source)
      const second = await accept(source, { userId: 'u' })
      await source.putBack(first.id, waiting(existing(run), T0 + 60_000))
      return [first, second]
    })
    const device = await fill((source) => accept(source, { userId: 'u', deviceType: 'Phone' }))
    t.match(await move(), { queued: 1, joined: 1 })
    const joined = { id: there.id, reason: 'security', scope: 'all', occurredAt: T0 + 1, nextAttemptAt: null }
    for (const id of [there.id, older?.id, newer?.id]) t.match(await store.get(String(id)), joined)
    t.match(await store.get(device.id), { id: device.id, deviceType: 'Phone' })
    t.match(await move(), { queued: 0, joined: 0, known: 2, widened: 0 })
    const [run] = await store.claim({ now: T0, room: room(1, 0, 0) })
    t.equal(run?.id, there.id)
    const later = await accept(store, { userId: 'u' })
    await store.putBack(there.id, waiting(existing(run), null))
    t.equal((await store.get(later.id))?.id, there.id)
    t.equal((await store.get(String(newer?.id)))?.id, there.id, 'through the next one, too')
  },
)

t.test('a pending revocation is queued behind a run of its user in PostgreSQL', async (t) => {
  const { fill, move, target } = await stores(t)
  const store = await target()
  const there = await accept(store, { userId: 'u' })
  await claim(store)
  const moved = await fill((source) => accept(source, { userId: 'u' }))
  t.match(await move(), { queued: 1, joined: 0 })
  t.same(await claim(store), [])
  await store.end(there.id, aCompletion())
  t.match(await claim(store), [{ id: moved.id }])
})

t.test('ids that joined a finished revocation refer to it', async (t) => {
  const { fill, move, target } = await stores(t)
  const [first, second] = await fill(async (source) => {
    const one = await accept(source)
    const [run] = await claim(source)
    const other = await accept(source)
    await source.putBack(one.id, waiting(existing(run), null))
    await claim(source)
    await source.end(one.id, aCompletion())
    return [one, other]
  })
  t.match(await move(), { queued: 0, completed: 1 })
  t.match(await (await target()).get(String(second?.id)), { id: first?.id, status: 'completed' })
})

t.test('many revocations are copied page by page, most urgent first, then oldest', async (t) => {
  const { fill, move, url, progress, contents } = await stores(t)
  const reasons = ['session-expired', 'logout', 'security'] as const
  const signals = Array.from({ length: 5_200 }, (_, index) =>
    aSignal({ userId: `u${index}`, acceptedAt: T0 + index, reason: reasons[index % 3] ?? 'logout' }),
  )
  await fill(async (store) => {
    await store.accept(signals, null, T0)
    for (const { id } of await store.claim({ now: T0 + 10_000, room: room(0, 0, 90) })) {
      await store.end(id, aCompletion())
    }
  })
  t.match(await move(), { queued: 5_110, completed: 90 })
  t.same(progress, ['0 of 5200', '5110 of 5200'])
  const { revocations } = await contents()
  t.equal(revocations.length, 5_200)
  const jobs = await server.query(
    url,
    `SELECT r.urgency, r.accepted_at::float8 AS at FROM curfew_jobs.job JOIN curfew.revocations AS r USING (id)
     ORDER BY created_on, urgency, id`,
  )
  t.equal(jobs.length, 5_110)
  const order = jobs.map(({ urgency, at }) => Number(urgency) * 1e15 + Number(at))
  t.same(
    order,
    order.toSorted((one, other) => one - other),
  )
})

t.test('a wait longer than the longest backoff is shortened', async (t) => {
  const { fill, move, target } = await stores(t)
  const id = await fill(async (source) => {
    await accept(source)
    const [run] = await claim(source)
    await source.putBack(String(run?.id), waiting(existing(run), T0 + 10 * LONGEST_WAIT_MS))
    return String(run?.id)
  })
  await move()
  t.equal((await (await target()).get(id))?.nextAttemptAt, T0 + LONGEST_WAIT_MS)
})

t.test('a file with an older schema is copied, too', async (t) => {
  const { path, move, target } = await stores(t)
  const old = new DatabaseSync(path)
  old.exec(`${MIGRATIONS[0]}; PRAGMA user_version = 1`)
  old.close()
  t.match(await move(), { queued: 0, known: 0 })
  t.same(await (await target()).backlog(), [])
})

t.test('a file in use and an unavailable database are reported', async (t) => {
  const { fill, move } = await stores(t)
  await fill(async () => {
    await t.rejects(move(), { code: 'CURFEW_STORE_LOCKED' })
  })
  const away = 'postgres://curfew:secret@127.0.0.1:1/curfew'
  await t.rejects(move({ url: away }), { code: 'CURFEW_STORE_UNAVAILABLE' })
})
