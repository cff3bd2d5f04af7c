import { join } from 'node:path'
import type { Test } from 'tap'
import { NO_BRAKE } from '../../../src/revocation/mass-brake.ts'
import type { Revocation } from '../../../src/revocation/revocation.ts'
import { type MigrateStoreOptions, migrateStore } from '../../../src/stores/migrate/migrate-store.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { aCompletion, accept, aFailure, claim, existing, SILENT, waiting } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import type { PostgresServer } from '../../support/postgres.ts'
import { temporaryFolder } from '../../support/service.ts'
import { T0 } from '../../support/signals.ts'

export type SqliteStore = ReturnType<typeof openSqliteStore>

/** A SQLite file and an empty PostgreSQL database. */
export async function migrationStores(t: Test, server: PostgresServer) {
  const path = join(temporaryFolder(t), 'curfew.db')
  const url = await server.createDatabase()
  const progress: string[] = []
  return {
    path,
    url,
    progress,
    /** Uses the file with the real store, like one run of Curfew. */
    async fill<T>(work: (store: SqliteStore) => Promise<T>): Promise<T> {
      const store = openSqliteStore(path)
      try {
        return await work(store)
      } finally {
        await store.close()
      }
    },
    move: (different: Partial<MigrateStoreOptions> = {}) =>
      migrateStore({
        path,
        url,
        timeoutMs: 10_000,
        windowMs: 300_000,
        now: () => T0,
        log: SILENT,
        onProgress: (done, total) => progress.push(`${done} of ${total}`),
        ...different,
      }),
    async target(massRevocation = NO_BRAKE) {
      const options = { connections: 3, clock: fakeClock(T0), log: SILENT, massRevocation }
      const store = await openPostgresStore(url, options)
      t.teardown(() => store.close())
      return store
    },
    /** The number of rows of each kind, and the ids of the jobs. */
    async contents() {
      const counts = await server.query(
        url,
        `SELECT (SELECT count(*) FROM curfew.joined_ids)::int AS joins, (SELECT count(*) FROM curfew.replays)::int AS replays,
           (SELECT sum(count) FROM curfew.calls)::int AS calls`,
      )
      const revocations = await server.query(url, 'SELECT * FROM curfew.revocations ORDER BY id')
      const jobs = await server.query(
        url,
        `SELECT id, priority, group_id, start_after > now() AS waits FROM curfew_jobs.job ORDER BY id`,
      )
      return { counts, revocations, jobs }
    },
  }
}

/** One revocation in each state, and one that another one joined, by state. */
export async function oneOfEach(store: SqliteStore): Promise<Record<string, Revocation>> {
  const of = (userId: string, acceptedAt: number) => accept(store, { userId, acceptedAt })
  const [completed, failed, wait, older] = [
    await of('completed', T0),
    await of('failed', T0 + 1),
    await of('waiting', T0 + 2),
    await of('joined', T0 + 3),
  ]
  for (const revocation of await claim(store, T0 + 10)) {
    if (revocation.id === completed.id) await store.end(revocation.id, aCompletion())
    if (revocation.id === failed.id) await store.end(revocation.id, aFailure(T0 + 20))
    if (revocation.id === wait.id) await store.putBack(revocation.id, waiting(revocation, T0 + 60_000))
  }
  const newer = await of('joined', T0 + 4)
  await store.putBack(older.id, waiting(existing(await store.get(older.id)), null))
  const running = await of('running', T0 + 5)
  const again = (await claim(store, T0 + 10)).find(({ id }) => id === older.id)
  await store.putBack(older.id, waiting(existing(again), null))
  const queued = await accept(store, { userId: 'queued', acceptedAt: T0 + 6, reason: 'session-expired' })
  return { completed, failed, waiting: wait, older, newer, running, queued }
}
