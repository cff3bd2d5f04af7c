import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { heldUsers } from '../../../src/stores/postgres/held-users.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)

t.test('users are released in the order in which they are held, so no deadlock occurs', async (t) => {
  const { url, query, open } = await jobTables(t, server)
  await open()
  const connect = async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    t.teardown(() => client.end())
    return client
  }
  const [holder, releaser] = [await connect(), await connect()]
  // The second user is held first, which determines the physical order of the rows.
  const holds = ['u9', 'u5'].map((userId) => ({
    ...{ id: randomUUID(), claim: randomUUID(), tenant: 'default' },
    ...{ userIds: [userId], urgency: 1 },
  }))
  for (const hold of holds) await heldUsers(query).hold([hold])
  const lock = (userId: string, mode = '') =>
    query(`SELECT 1 FROM curfew.held_users WHERE user_id = $1 FOR UPDATE ${mode}`, [userId])
  await holder.query('BEGIN')
  await holder.query(`SELECT 1 FROM curfew.held_users WHERE user_id = 'u5' FOR UPDATE`)
  const own = heldUsers(async (text, values) => (await releaser.query(text, values)).rows)
  const released = own.release(holds.map(({ id }) => id))
  await until('it waits for u5', async () => {
    const waiting = await query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
    return waiting.length > 0
  })
  t.equal((await lock('u9', 'NOWAIT')).length, 1, 'and has not locked u9 before it')
  await holder.query('COMMIT')
  await released
  t.same(await query('SELECT user_id FROM curfew.held_users'), [])
})
