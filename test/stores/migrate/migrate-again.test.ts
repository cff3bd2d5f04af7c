import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { aCompletion, accept, claim, existing, waiting } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { migrationStores, oneOfEach } from './migration-stores.ts'

const server = await startPostgres(t)
const stores = (t: Test) => migrationStores(t, server)

t.test('a second run changes nothing, whatever the state of the revocations', async (t) => {
  const { fill, move, target, contents, path } = await stores(t)
  await fill(async (store) => {
    await oneOfEach(store)
    await store.permits.note({ origin: 'https://a', tenant: 'default', client: 'c', tier: 2 }, T0, 0)
    await store.accept([aSignal({ userId: 'replayed' })], { key: 'k', fingerprint: null }, T0)
  })
  await move()
  const first = await contents()
  t.match(await move(), { queued: 0, completed: 0, failed: 0, joined: 0, known: 7, widened: 0, replays: 0 })
  t.same(await contents(), first)
  const store = await target()
  for (const { id } of await claim(store)) await store.end(id, aCompletion())
  const second = await contents()
  t.match(await move(), { queued: 0, known: 7, widened: 0 })
  t.same(await contents(), second)
  const source = openDatabase(path)
  const statuses = source.prepare('SELECT status FROM revocations ORDER BY status').all()
  source.close()
  t.same(
    statuses.map(({ status }) => status),
    ['completed', 'failed', 'queued', 'queued', 'queued', 'queued', 'running'].sort(),
    'and the source is as it was',
  )
})

t.test('signals that the file accepted after a first run are copied by the second', async (t) => {
  const { fill, move, target } = await stores(t)
  const first = await fill((source) => accept(source, { userId: 'u' }))
  await move()
  const store = await target()
  await claim(store)
  await store.end(first.id, aCompletion())
  await fill((source) => accept(source, { userId: 'u', occurredAt: T0 + 1_000 }))
  t.match(await move(), { queued: 0, known: 1, widened: 1 })
  const [again] = await claim(store)
  t.match(again, { user: { value: 'u' }, occurredAt: T0 + 1_000 })
  t.not(again?.id, first.id)
  t.match(await move(), { known: 1, widened: 0 }, 'and once is enough')
})

t.test('an id refers to its copied revocation, whatever happened in the file since', async (t) => {
  const { fill, move, target } = await stores(t)
  const store = await target()
  const there = await accept(store, { userId: 'joined' })
  const joined = await fill((source) => accept(source, { userId: 'joined' }))
  const first = await fill((source) => accept(source, { userId: 'u' }))
  await move()
  await claim(store)
  const second = await fill(async (source) => {
    await claim(source)
    await source.end(joined.id, aCompletion())
    return accept(source, { userId: 'u' })
  })
  t.match(await move(), { queued: 1, completed: 0, known: 2 })
  t.equal((await store.get(joined.id))?.id, there.id)
  await fill(async (source) => source.putBack(first.id, waiting(existing(await source.get(first.id)), null)))
  t.equal((await fill((source) => source.get(second.id)))?.id, first.id)
  await move()
  t.equal((await store.get(second.id))?.id, second.id)
})
