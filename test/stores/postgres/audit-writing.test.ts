import t, { type Test } from 'tap'
import { CurfewError } from '../../../src/base/errors.ts'
import type { Head } from '../../../src/revocation/audit/entry.ts'
import { operatorEvent } from '../../../src/revocation/audit/events.ts'
import { PostgresAuditWriting } from '../../../src/stores/postgres/audit-writing.ts'
import { PostgresDatabase, UNSYNCED } from '../../../src/stores/postgres/database.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { SILENT } from '../../conformance/stores.ts'
import { brokenLink, read, storedEntries } from '../../support/audit.ts'
import { fakeClock } from '../../support/clock.ts'
import { startPostgres } from '../../support/postgres.ts'
import { AN_ORIGIN, T0 } from '../../support/signals.ts'

const server = await startPostgres(t)
const HOUR = 60 * 60_000
const anEvent = operatorEvent('backup-made', { bytes: 1 }, AN_ORIGIN)

/** A database, and replicas that share it. */
async function setUp(t: Test) {
  const url = await server.createDatabase()
  const replica = async () => {
    const store = await openPostgresStore(url, { connections: 4, clock: fakeClock(T0), log: SILENT })
    t.teardown(() => store.close())
    return store
  }
  const { audit } = await replica()
  const database = new PostgresDatabase(url, 4)
  t.teardown(() => database.close())
  const stored = () => storedEntries(audit)
  const entries = async () => (await stored()).map(read)
  return { database, replica, stored, entries }
}

const headsOf = ({ details }: ReturnType<typeof read>) => details.heads as Head[]

t.test('after a rollback, the chain continues from its last committed entry', async (t) => {
  const { database, stored, entries } = await setUp(t)
  const writing = new PostgresAuditWriting(database, true)
  const record = () => writing.transaction(async (_, note) => note([anEvent], T0))
  await record()
  const failing = writing.transaction(async (query, note) => {
    note([anEvent], T0)
    await query('SELECT 1 / 0')
  })
  await t.rejects(failing)
  const rejected = writing.transaction(async (_, note) => note([{ ...anEvent, tenant: 'a\0b' }], T0))
  await t.rejects(rejected, 'PostgreSQL stores no NUL')
  await record()
  t.same(
    (await entries()).map(({ sequence, event }) => [sequence, event]),
    [
      [1, 'chain-started'],
      [2, 'backup-made'],
      [3, 'backup-made'],
    ],
  )
  t.equal(brokenLink(await stored()), null)
})

t.test(
  'after an unknown result of a commit, another chain starts and lists what was committed',
  async (t) => {
    const { database, stored, entries } = await setUp(t)
    let isBroken = false
    const unreliable: Pick<PostgresDatabase, 'transaction'> = {
      async transaction(work, options) {
        const result = await database.transaction(work, options)
        if (isBroken) throw new CurfewError('CURFEW_STORE_UNAVAILABLE')
        return result
      },
    }
    const writing = new PostgresAuditWriting(unreliable, true)
    const record = () => writing.transaction(async (_, note) => note([anEvent], T0))
    await record()
    isBroken = true
    await t.rejects(record())
    isBroken = false
    await record()
    const started = (await entries()).filter(({ event }) => event === 'chain-started')
    t.equal(started.length, 2)
    t.equal(brokenLink(await stored()), null)
    const [head] = started.flatMap(headsOf)
    const lost = (await stored()).find(({ writer, sequence }) => writer === head?.writer && sequence === 3)
    t.equal(head?.hash, lost?.hash)
  },
)

t.test('entries are synced, even in a transaction that need not be', async (t) => {
  const { database } = await setUp(t)
  const syncs: unknown[] = []
  const observed: Pick<PostgresDatabase, 'transaction'> = {
    transaction: (work, options) =>
      database.transaction(async (query) => {
        const result = await work(query)
        syncs.push((await query('SHOW synchronous_commit'))[0]?.synchronous_commit)
        return result
      }, options),
  }
  const writing = new PostgresAuditWriting(observed, true)
  await writing.transaction(async () => {}, UNSYNCED)
  await writing.transaction(async (_, note) => note([anEvent], T0), UNSYNCED)
  t.same(syncs, ['off', 'on'])
})

t.test('once an hour, one replica lists the heads that no chain lists', async (t) => {
  const { replica, entries } = await setUp(t)
  const [one, other] = [await replica(), await replica()]
  const listed = async () => (await entries()).filter(({ event }) => event === 'heads')
  const record = ({ audit }: typeof one, at: number) => audit.record([anEvent], at)
  await record(one, T0)
  await record(other, T0)
  await one.audit.recordHeads(T0 + HOUR - 1)
  t.equal((await listed()).length, 0, 'the second chain has listed the first one')

  await Promise.all([one.audit.recordHeads(T0 + HOUR), other.audit.recordHeads(T0 + HOUR)])
  // If the replica whose chain is not listed had the lock, it had nothing to list: the next round does it.
  for (const { audit } of [one, other]) await audit.recordHeads(T0 + HOUR)
  t.equal((await listed()).length, 1)
  const [heads] = await listed()
  t.equal(heads && headsOf(heads).length, 1)
  t.not(heads && headsOf(heads)[0]?.writer, heads?.writer)

  for (let hours = 2; hours < 9; hours += 1) {
    await one.audit.recordHeads(T0 + hours * HOUR)
    await other.audit.recordHeads(T0 + hours * HOUR)
  }
  const quiet = (await listed()).length
  t.ok(quiet <= 2, 'nothing is listed while nothing is written')
  await record(one, T0 + 10 * HOUR)
  await record(other, T0 + 10 * HOUR)
  await one.audit.recordHeads(T0 + 11 * HOUR)
  t.equal((await listed()).length, quiet + 1)
})

t.test('a chain continues after all of its entries were deleted, and is verifiable from there', async (t) => {
  const { replica, stored } = await setUp(t)
  const [idle, other] = [await replica(), await replica()]
  await idle.audit.record([anEvent], T0)
  const [, last] = await stored()
  t.equal(await other.audit.purge(T0 + 1, T0 + 2), 2)
  await idle.audit.record([anEvent], T0 + 3)
  const continued = (await stored()).find(({ writer }) => writer === last?.writer)
  t.equal(continued?.sequence, 3)
  t.equal(brokenLink(await stored(), [String(last?.hash)]), null)
  await idle.audit.record([anEvent], T0 + 9)
  await other.audit.purge(T0 + 4, T0 + 9)
  const purged = (await stored()).map(read).filter(({ event }) => event === 'entries-purged')
  const checkpoints = purged.at(-1)?.details.checkpoints as Head[]
  t.ok(checkpoints.some(({ writer, sequence }) => writer === last?.writer && sequence === 3))
})
