import pg from 'pg'
import t from 'tap'
import type { RevocationStore } from '../../../src/revocation/store.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { existing } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'
import { migrationStores } from './migration-stores.ts'

const server = await startPostgres(t)

t.test('held and cancelled revocations are copied, and held ones can be released there', async (t) => {
  const { path, move, target } = await migrationStores(t, server)
  const massRevocation = { users: 1, windowMs: 600_000 }
  const file = openSqliteStore(path, fakeClock(T0), undefined, { massRevocation })
  const send = async (store: RevocationStore, userId: string) => {
    const { revocations } = await store.accept([aSignal({ userId })], null, T0, AN_ORIGIN)
    return existing(revocations[0])
  }
  const [queued, held, twice, cancelled] = [
    await send(file, 'queued'),
    await send(file, 'held'),
    await send(file, 'twice'),
    await send(file, 'cancelled'),
  ]
  await file.cancel({ ids: [cancelled.id], limit: 1 }, T0)
  await file.close()
  const braked = await target(massRevocation)
  await send(braked, 'queued')
  const there = await send(braked, 'twice')
  t.equal(there.status, 'held')
  t.match(await move(), { queued: 0, held: 1, cancelled: 1, joined: 2, known: 0 })
  t.match(await move(), { queued: 0, held: 0, cancelled: 0, joined: 0, known: 4, widened: 0 })
  const store = await target()
  t.strictSame(await store.get(held.id), held)
  t.match(await store.get(cancelled.id), { id: cancelled.id, status: 'cancelled' })
  t.match(await store.get(twice.id), { id: there.id, status: 'held' })
  t.match(await store.release({ limit: 10 }, T0), { revocations: { length: 2 }, joined: 0 })
  for (const { id } of [queued, held]) t.match(await store.get(id), { status: 'queued' })
  t.match(await store.get(twice.id), { id: there.id, status: 'queued' }, 'its other id still leads to it')
})

t.test('held revocations are not copied while a replica of an earlier version is connected', async (t) => {
  const { path, url, move } = await migrationStores(t, server)
  const file = openSqliteStore(path, fakeClock(T0), undefined, {
    massRevocation: { users: 1, windowMs: 600_000 },
  })
  await file.accept([aSignal({ userId: 'a' }), aSignal({ userId: 'b' })], null, T0, AN_ORIGIN)
  await file.close()
  const earlier = new pg.Client({ connectionString: url, application_name: 'curfew' })
  await earlier.connect()
  await t.rejects(move(), { code: 'CURFEW_STORE_UNAVAILABLE', message: /earlier version/ })
  await earlier.end()
  await until('it has left', async () => (await move()).held === 1)
})
