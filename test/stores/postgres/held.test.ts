import t from 'tap'
import type { Origin } from '../../../src/revocation/origin.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import { cancel } from '../../../src/stores/postgres/held.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { SILENT } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const IDP: Origin = { kind: 'source', name: 'idp', id: 'idp', address: null }

t.test('two operators who decide at once both see whether more are held', async (t) => {
  const server = await startPostgres(t)
  const url = await server.createDatabase()
  const massRevocation = { users: 1, windowMs: 600_000 }
  const options = { connections: 3, clock: fakeClock(T0), log: SILENT, massRevocation }
  const store = await openPostgresStore(url, options)
  t.teardown(() => store.close())
  const signals = ['a', 'b', 'c', 'd', 'e', 'f'].map((userId) => aSignal({ userId }))
  await store.accept(signals, null, T0, IDP)

  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  const [hasDecided, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const other = database.transaction(async (query) => {
    const decided = await cancel(query, { held: { limit: 2 }, now: T0, origin: undefined }, () => {})
    hasDecided.resolve()
    await mayCommit.promise
    return decided
  })
  await hasDecided.promise
  const released = store.release({ limit: 2 }, T0)
  await until('it waits for the other operator', async () => {
    const waiting = await server.query(
      url,
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    return waiting.length > 0
  })
  mayCommit.resolve()
  t.match(await other, { revocations: { length: 2 }, more: true })
  t.same(await released, { revocations: [], joined: 0, more: true }, 'the others were cancelled')
  t.match(await store.release({ limit: 2 }, T0), { revocations: { length: 2 }, more: true })
  t.match(await store.release({ limit: 2 }, T0), { revocations: { length: 1 }, more: false })
})
