import t, { type Test } from 'tap'
import { steadyNow } from '../../../src/base/clock.ts'
import { DatabaseClock } from '../../../src/stores/postgres/clock.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { aCompletion, accept, claim, existing, SILENT, waiting } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { startPostgres } from '../../support/postgres.ts'
import { T0 } from '../../support/signals.ts'

const HOUR = 60 * 60_000
const server = await startPostgres(t)

t.test('a time is on the database clock, even if the wall clock is set', async (t) => {
  for (const step of [HOUR, -HOUR]) {
    const clock = fakeClock(T0)
    const now = steadyNow(clock)
    // Its clock equals the local monotonic clock.
    const query = async () => [{ now: clock.monotonic() }]
    const database = new DatabaseClock(query, clock, now)
    await database.measure()
    t.equal(database.toDatabase(now()), clock.monotonic())
    clock.jump(step)
    clock.advance(500)
    const isNow = (when: string) => {
      t.equal(database.toDatabase(now()), clock.monotonic(), when)
      t.equal(database.fromDatabase(clock.monotonic() + 6_000), now() + 6_000, when)
    }
    isNow(`${step} ms, before it is measured again`)
    await database.measure()
    isNow(`${step} ms, after that`)
  }
})

/** A store in a process with a changed wall clock, and the time that its worker uses. */
async function stepped(t: Test, step: number) {
  const clock = fakeClock(T0)
  const now = steadyNow(clock)
  const url = await server.createDatabase()
  const store = await openPostgresStore(url, { connections: 5, clock, log: SILENT })
  t.teardown(() => store.close())
  now()
  clock.jump(step)
  const inMs = async (column: string, table: string) => {
    const text = `SELECT ${column} - extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms FROM ${table}`
    return Number((await server.query(url, text))[0]?.ms)
  }
  return { store, now, inMs }
}

for (const step of [HOUR, -HOUR]) {
  t.test(`a clock set by ${step} ms: a confirming listing is due after the leeway`, async (t) => {
    const { store, now, inMs } = await stepped(t, step)
    const { id } = await accept(store)
    await claim(store, now())
    await store.end(id, aCompletion({ verificationDueAt: now() + 6_000 }))
    const due = await inMs('verification_due_at', 'curfew.revocations')
    t.ok(due > 4_000 && due <= 6_000, `in ${due} ms`)
    t.same(await store.claimConfirmations({ now: now(), room: anyRoom }), { claimed: [], postponed: 0 })
  })

  t.test(`a clock set by ${step} ms: a retry waits as long as its backoff`, async (t) => {
    const { store, now, inMs } = await stepped(t, step)
    const { id } = await accept(store)
    const [running] = await claim(store, now())
    await store.putBack(id, waiting(existing(running), now() + 60_000))
    const due = await inMs('extract(epoch FROM start_after)::float8 * 1000', 'curfew_jobs.job')
    t.ok(due > 50_000 && due <= 60_000, `in ${due} ms`)
  })
}

const anyRoom = { total: 10, perTenant: 10, exceptions: new Map() }
