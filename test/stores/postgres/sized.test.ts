import t, { type Test } from 'tap'
import type { Room } from '../../../src/revocation/schedule.ts'
import type { RevocationStore } from '../../../src/revocation/store.ts'
import { aCompletion, accept, claim, existing, waiting } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)
const setUp = (t: Test) => jobTables(t, server)

const NONE: Room = { total: 0, perTenant: 0, exceptions: new Map() }

/** Room for logouts: any number by size, and `byAge` of each tenant. */
function room(byAge: number) {
  const bySize = { total: 100, take: (_: string, sizes: readonly number[]) => sizes.length }
  const logout: Room = { total: 100, perTenant: byAge, exceptions: new Map(), bySize }
  return { security: NONE, logout, 'session-expired': NONE }
}

async function sized(store: RevocationStore, users: readonly string[]) {
  const ids: string[] = []
  for (const userId of users) ids.push((await accept(store, { userId })).id)
  await store.noteSizes(ids.map((id) => ({ id, size: 1 })))
  return ids
}

t.test('a job fetched by size is like one fetched by pg-boss, but in no group', async (t) => {
  const { open, query } = await setUp(t)
  const store = await open()
  const [bySize = ''] = await sized(store, ['a'])
  const { id: byAge } = await accept(store, { userId: 'b' })
  t.equal((await store.claim({ now: T0, room: room(1) })).length, 2)
  const jobOf = async (id: string) => {
    const [job] = await query('SELECT * FROM curfew_jobs.job WHERE id = $1', [id])
    const { started_on, heartbeat_on, group_id, created_on, start_after, keep_until, ...rest } = existing(job)
    t.ok(started_on && heartbeat_on && created_on && start_after && keep_until)
    return { group_id, rest: { ...rest, id: null } }
  }
  const [own, ofBoss] = [await jobOf(bySize), await jobOf(byAge)]
  t.strictSame(own.rest, ofBoss.rest)
  t.same([own.group_id, ofBoss.group_id], [null, 'logout default'])
  t.equal(await store.end(bySize, aCompletion()), true)
})

t.test('runs claimed by size leave the room of the oldest to other claims', async (t) => {
  const { open } = await setUp(t)
  const [one, other] = [await open(), await open()]
  await sized(one, ['a', 'b', 'c'])
  t.equal((await one.claim({ now: T0, room: room(0) })).length, 3)
  await accept(one, { userId: 'd' })
  const { bySize: _, ...byAge } = room(1).logout
  t.match(await other.claim({ now: T0, room: { ...room(1), logout: byAge } }), [{ user: { value: 'd' } }])
})

t.test('two processes never claim the same revocation', async (t) => {
  const { open } = await setUp(t)
  const stores = [await open(), await open(), await open()]
  const ids = await sized(
    existing(stores[0]),
    Array.from({ length: 60 }, (_, index) => `u${index}`),
  )
  const claimed: string[] = []
  while (claimed.length < ids.length) {
    const some = await Promise.all(stores.map((store) => store.claim({ now: T0, room: room(0) })))
    claimed.push(...some.flat().map(({ id }) => id))
  }
  t.same(claimed.sort(), ids.sort())
})

t.test('lost runs are claimed again, however many others run', async (t) => {
  const { open, lose, both } = await setUp(t)
  const [lost, other] = [await open(), await open()]
  const ids = await sized(lost, ['a', 'b', 'c'])
  await lost.claim({ now: T0, room: room(0) })
  await lose()
  await sized(other, ['d', 'e', 'f'])
  t.equal((await other.claim({ now: T0, room: room(3) })).length, 6)
  for (const id of ids) t.same(await both(id), ['running', 'active 1 due'])
})

t.test('lost runs of a tenant get as much room as it has, before its older revocations', async (t) => {
  const { open, lose } = await setUp(t)
  const lost = await open()
  await accept(lost, { userId: 'oldest' })
  await sized(lost, ['a', 'b', 'c'])
  await lost.claim({ now: T0, room: room(0) })
  await lose()
  const other = await open()
  const { bySize: _, ...byAge } = room(2).logout
  const claimed = await other.claim({ now: T0, room: { ...room(2), logout: byAge } })
  t.same(claimed.map(({ user }) => user.value).sort(), ['a', 'b', 'oldest'])
  t.same(await other.claim({ now: T0, room: { ...room(2), logout: byAge } }), [])
})

t.test('lost runs of a tenant without room are left, and do not delay other tenants', async (t) => {
  const { open, lose } = await setUp(t)
  const lost = await open()
  await sized(
    lost,
    Array.from({ length: 20 }, (_, index) => `u${index}`),
  )
  await lost.claim({ now: T0, room: room(0) })
  await lose()
  const other = await open()
  const tenants = ['t1', 't2', 't3', 't4', 't5']
  for (const tenant of tenants) await accept(other, { tenant, userId: 'u' })
  const exceptions = new Map([['default', 0]])
  const logout: Room = { total: 10, perTenant: 1, exceptions }
  const claimed = await other.claim({ now: T0, room: { ...room(0), logout } })
  t.same(claimed.map(({ tenant }) => tenant).sort(), tenants)
  t.same(await other.claim({ now: T0, room: { ...room(0), logout } }), [])
  exceptions.set('default', 3)
  t.equal(
    (await other.claim({ now: T0, room: { ...room(0), logout: { ...logout, perTenant: 5 } } })).length,
    3,
  )
})

t.test('a run claimed by size that is put back is fetched by age again', async (t) => {
  const { open, query } = await setUp(t)
  const store = await open()
  const [id = ''] = await sized(store, ['a'])
  const [claimed] = await store.claim({ now: T0, room: room(0) })
  await store.putBack(id, waiting(existing(claimed), null))
  t.match(await query('SELECT group_id FROM curfew_jobs.job WHERE id = $1', [id]), [
    { group_id: 'logout default' },
  ])
  t.match(await claim(store), [{ id }])
})

t.test('a survey is reserved by one process at a time', async (t) => {
  const { open, query } = await setUp(t)
  const [one, other] = [await open(), await open()]
  t.equal(await one.reserveSurvey('default', 60_000), true)
  t.equal(await other.reserveSurvey('default', 60_000), false)
  t.equal(await other.reserveSurvey('second', 60_000), true)
  await query(`UPDATE curfew.surveys SET until = clock_timestamp() - interval '1 second'`)
  t.equal(await other.reserveSurvey('default', 60_000), true)
  t.equal(await one.reserveSurvey('default', 60_000), false)
})
