import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { systemClock } from '../../../src/base/clock.ts'
import type { Origin } from '../../../src/revocation/origin.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { SILENT } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { previousIsMissing, previousVersion } from '../../support/previous-version.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const IDP: Origin = { kind: 'source', name: 'idp', id: 'idp', address: null }
const WINDOW_MS = 600_000
const RECONNECTS_WITHIN_MS = 30_000

t.test('the brake of several replicas', async (t) => {
  const server = await startPostgres(t)

  async function setUp(t: Test) {
    const url = await server.createDatabase()
    /** A replica, whose time stands still except for heartbeats. */
    const open = async (users = 2) => {
      const fake = fakeClock(T0)
      const clock = { ...fake, after: systemClock.after }
      const massRevocation = { users, windowMs: WINDOW_MS }
      const store = await openPostgresStore(url, { connections: 3, clock, log: SILENT, massRevocation })
      t.teardown(() => store.close())
      const send = async (...userIds: string[]) => {
        const signals = userIds.map((userId) => aSignal({ userId }))
        const { revocations, isBraked = false } = await store.accept(signals, null, fake.now(), IDP)
        return [isBraked, ...revocations.map(({ status }) => status)].join(' ')
      }
      return { store, send, leap: fake.leap, jump: fake.jump }
    }
    const connect = async (name: string) => {
      const client = new pg.Client({ connectionString: url, application_name: name })
      await client.connect()
      t.teardown(() => client.end())
      return client
    }
    return { url, open, connect, query: (text: string) => server.query(url, text) }
  }

  t.test('a user that a sender names at several replicas counts once', async (t) => {
    const { open } = await setUp(t)
    const [one, other] = [await open(), await open()]
    t.equal(await one.send('a', 'b'), 'false queued queued')
    t.equal(await other.send('a', 'b'), 'false queued queued')
    await until(
      'the other replica knows both',
      async () => (await other.send('a', 'b')) === 'false queued queued',
    )
    await until('they share what the sender names', async () => {
      await one.send('c')
      return (await other.send('a')) === 'true held'
    })
  })

  t.test('a new process knows what earlier ones have counted, until it is old', async (t) => {
    const { open, query } = await setUp(t)
    const first = await open()
    t.equal(await first.send('a', 'b', 'c'), 'true queued queued held')
    await first.store.close()
    const second = await open()
    t.equal(await second.send('d'), 'true held')
    await query(`UPDATE curfew.named_users SET at = at - ${WINDOW_MS}`)
    const third = await open()
    t.equal(await third.send('d'), 'false queued')
    await query(`UPDATE curfew.named_users SET at = at - ${2 * WINDOW_MS}`)
    await third.store.purge(T0, T0)
    t.same(await query('SELECT 1 FROM curfew.named_users'), [], 'old rows are deleted')
  })

  t.test('what a rolled back transaction named is stored with the next one', async (t) => {
    const { open } = await setUp(t)
    const { store, send } = await open()
    const unstorable = { ...aSignal({ userId: 'b' }), scope: null as never }
    await t.rejects(store.accept([aSignal({ userId: 'a' }), unstorable], null, T0, IDP))
    t.equal(await send('c'), 'true held')
    t.equal(await (await open()).send('c'), 'true held')
  })

  for (const [name, isEarlier] of [
    ['curfew', true],
    ['curfew 2', true],
    ['curfew 3', true],
    ['curfew 4', false],
    ['curfew 44', false],
    ['curfew x', false],
    ['psql 1', false],
  ] as const)
    t.test(
      `a connection named "${name}" ${isEarlier ? 'is' : 'is not'} one of an earlier version`,
      async (t) => {
        const { open, connect } = await setUp(t)
        await connect(name)
        const { send } = await open(1)
        t.equal(await send('a', 'b'), isEarlier ? 'true queued queued' : 'true queued held')
      },
    )

  t.test('nothing is held until an earlier version has been gone for a while', async (t) => {
    const { open, connect } = await setUp(t)
    const { send, leap, store } = await open(1)
    t.equal(await send('a', 'b'), 'true queued held')
    const earlier = await connect('curfew')
    await until('it is noticed', async () => (await send('c')) === 'true queued')
    await earlier.end()
    leap(RECONNECTS_WITHIN_MS - 1)
    t.equal(await send('d'), 'true queued', 'it may only have lost its connections')
    await until('it stays away', async () => {
      leap(RECONNECTS_WITHIN_MS)
      return (await send('e', 'f')).includes('held')
    })
    const { items } = await store.list({ status: 'held', limit: 10 })
    t.ok(items.length > 0)
  })

  t.test('a replica of the previous version beside it', { skip: previousIsMissing() }, async (t) => {
    const { url, open } = await setUp(t)
    const previous = await previousVersion(t).load('stores/postgres.ts')
    const older = await previous.openPostgresStore(url, { connections: 2, now: () => T0, log: SILENT })
    t.teardown(() => older.close())
    const { store, send, leap } = await open(1)
    t.equal(await send('a', 'b', 'c'), 'true queued queued queued', 'the brake only warns')
    t.equal((await older.list({ limit: 10 })).items.length, 3, 'it reads every row')
    await older.close()
    await until('the brake holds', async () => {
      leap(RECONNECTS_WITHIN_MS)
      return (await send('d', 'e')).includes('held')
    })
    t.ok((await store.list({ status: 'held', limit: 10 })).items.length > 0)
    await t.rejects(previous.openPostgresStore(url, { connections: 2, now: () => T0, log: SILENT }), {
      code: 'CURFEW_STORE_NEWER',
    })
  })

  t.test('a clock that is set back does not make the brake forget', async (t) => {
    const { open } = await setUp(t)
    const [one, other] = [await open(3), await open(3)]
    await one.send('a', 'b')
    one.jump(-2 * WINDOW_MS)
    await one.send('a')
    // Until this replica has read them, and counts both its own and those of the other.
    for (let tries = 0; tries < 50; tries += 1) {
      await other.send('c', 'd')
      if ((await one.send('a')) === 'true held') return t.pass()
      await setTimeout(100)
    }
    t.fail('the users that it named before are forgotten')
  })

  t.test('a held revocation has no job', async (t) => {
    const { open, query } = await setUp(t)
    const { send } = await open(1)
    await send('a', 'b')
    const jobs = await query(
      `SELECT status FROM curfew.revocations LEFT JOIN curfew_jobs.job USING (id) WHERE state IS NOT NULL`,
    )
    t.same(jobs, [{ status: 'queued' }])
  })
})
