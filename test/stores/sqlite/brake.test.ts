import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { Origin } from '../../../src/revocation/origin.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { fakeClock } from '../../support/clock.ts'
import { temporaryFolder } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const IDP: Origin = { kind: 'source', name: 'idp', id: 'idp', address: null }
const WINDOW_MS = 600_000

function setUp(t: Test) {
  const path = join(temporaryFolder(t), 'curfew.db')
  const clock = fakeClock(T0)
  const open = (users = 2) => {
    const store = openSqliteStore(path, clock, undefined, { massRevocation: { users, windowMs: WINDOW_MS } })
    t.teardown(() => store.close())
    const send = async (...userIds: string[]) => {
      const signals = userIds.map((userId) => aSignal({ userId }))
      const { revocations } = await store.accept(signals, null, clock.now(), IDP)
      return revocations.map(({ status }) => status).join(' ')
    }
    return { store, send }
  }
  const count = () => {
    const database = new DatabaseSync(path)
    const counted = database
      .prepare('SELECT count(*) AS rows, sum(length(users)) AS bytes FROM named_users')
      .get()
    database.close()
    return counted
  }
  return { open, clock, count }
}

t.test('a restart does not forget what a sender has named, until it is old', async (t) => {
  const { open, clock } = setUp(t)
  const first = open()
  t.equal(await first.send('a', 'b', 'c'), 'queued queued held')
  await first.store.close()
  clock.leap(WINDOW_MS - 1)
  const second = open()
  t.equal(await second.send('d'), 'held')
  await second.store.close()
  clock.leap(1)
  const third = open()
  t.equal(await third.send('e'), 'queued')
})

t.test('each transaction writes one row per sender, with the users that are new', async (t) => {
  const { open, clock, count } = setUp(t)
  const { store, send } = open(20)
  await Promise.all(['a', 'b', 'c', 'a'].map((userId) => send(userId)))
  await send('a', 'b')
  await store.close()
  t.match(count(), { rows: 1, bytes: 18 })
  clock.leap(2 * WINDOW_MS)
  const again = open(20)
  await again.store.purge(T0, clock.now())
  await again.store.close()
  t.match(count(), { rows: 0 }, 'old rows are deleted')
})

t.test('what a rolled back transaction named is stored with the next one', async (t) => {
  const { open } = setUp(t)
  const first = open()
  const unstorable = { ...aSignal({ userId: 'b' }), scope: null as never }
  await t.rejects(first.store.accept([aSignal({ userId: 'a' }), unstorable], null, T0, IDP))
  t.equal(await first.send('c'), 'held')
  await first.store.close()
  t.equal(await open().send('c'), 'held')
})

t.test('the counts of the backlog follow every state', async (t) => {
  const { open } = setUp(t)
  const { store, send } = open(1)
  await send('a', 'b', 'c', 'd')
  const counts = async () => (await store.backlog()).map(({ status, count }) => `${status} ${count}`).sort()
  t.same(await counts(), ['held 3', 'queued 1'])
  await store.release({ limit: 1 }, T0)
  await store.cancel({ limit: 1 }, T0)
  t.same(await counts(), ['held 1', 'queued 2'])
})
