import t from 'tap'
import { aCompletion, claim } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)

t.test('rows of members are deleted with their revocations, and make room in the batch', async (t) => {
  const { open, query } = await jobTables(t, server)
  const store = await open()
  const batch = { tenant: 'default', id: 'b1' }
  const members = async () => (await query('SELECT batch FROM curfew.batch_members')).length
  await store.accept([aSignal({ userId: 'a' }), aSignal({ userId: 'b' })], null, T0, AN_ORIGIN, batch)
  for (const { id } of await claim(store)) await store.end(id, aCompletion())
  t.equal(await members(), 2)
  await store.purge(T0 + 1, T0)
  t.equal(await members(), 0)
})
