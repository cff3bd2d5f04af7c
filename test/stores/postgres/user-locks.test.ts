import pg from 'pg'
import t, { type Test } from 'tap'
import { userLocks } from '../../../src/stores/postgres/user-locks.ts'
import { aCompletion, accept, claim } from '../../conformance/stores.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)

async function setUp(t: Test) {
  const { query, url, ...rest } = await jobTables(t, server)
  return {
    ...rest,
    query,
    async connect() {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      t.teardown(() => client.end())
      return client
    },
    /** The request of a claimed run to lock one user. */
    async requestOf(id: string, userId: string) {
      const [row] = await query('SELECT claim FROM curfew.revocations WHERE id = $1', [id])
      return { id, claim: String(row?.claim), tenant: 'default', userIds: [userId], urgency: 1 }
    },
    lockedUsers: async () =>
      (await query('SELECT user_id FROM curfew.held_users ORDER BY 1')).map(({ user_id }) => user_id),
    untilWaiting: () =>
      until('a statement waits for a row', async () => {
        const waiting = await query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
        return waiting.length > 0
      }),
  }
}

const on = (client: pg.Client) => userLocks(async (text, values) => (await client.query(text, values)).rows)

t.test('users are released in the order in which they are locked, so no deadlock occurs', async (t) => {
  const { query, open, connect, requestOf, lockedUsers, untilWaiting } = await setUp(t)
  const store = await open()
  const [holder, releaser] = [await connect(), await connect()]
  const runs = [await accept(store, { userId: 'u9' }), await accept(store, { userId: 'u5' })]
  await claim(store)
  // The second user is locked first, which determines the physical order of the rows.
  for (const { id, user } of runs) await userLocks(query).lock([await requestOf(id, user.value)])
  const lock = (userId: string, mode = '') =>
    query(`SELECT 1 FROM curfew.held_users WHERE user_id = $1 FOR UPDATE ${mode}`, [userId])
  await holder.query('BEGIN')
  await holder.query(`SELECT 1 FROM curfew.held_users WHERE user_id = 'u5' FOR UPDATE`)
  const released = on(releaser).release(runs.map(({ id }) => id))
  await untilWaiting()
  t.equal((await lock('u9', 'NOWAIT')).length, 1, 'and has not locked u9 before it')
  await holder.query('COMMIT')
  await released
  t.same(await lockedUsers(), [])
})

t.test(
  'a run that has lost its claim locks nobody, and leaves the locks of its successor alone',
  async (t) => {
    const { open, lose, lockedUsers } = await setUp(t)
    const [frozen, other] = [await open(), await open()]
    const { id } = await accept(frozen)
    await claim(frozen)
    await lose()
    await claim(other)
    t.equal(await other.lockUsers(id, ['u1'], 1), true)
    t.equal(await frozen.lockUsers(id, ['u1', 'u2'], 1), false)
    t.same(await lockedUsers(), ['u1'])
    t.same(await other.overtaken(), [])
    await other.end(id, aCompletion())
    t.equal(await frozen.lockUsers(id, ['u2'], 1), false)
    t.same(await lockedUsers(), [], 'so no user id is left behind')
  },
)

t.test('a run that ends while it locks users leaves no lock behind', async (t) => {
  const { open, connect, requestOf, lockedUsers, untilWaiting } = await setUp(t)
  const store = await open()
  const { id } = await accept(store)
  await claim(store)
  const late = await connect()
  await late.query('BEGIN')
  t.same(await on(late).lock([await requestOf(id, 'u1')]), new Set([id]))
  const ended = store.end(id, aCompletion())
  await Promise.race([ended, untilWaiting()])
  await late.query('COMMIT')
  t.equal(await ended, true)
  t.same(await lockedUsers(), [])
})
