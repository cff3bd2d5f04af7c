import { join } from 'node:path'
import type { Test } from 'tap'
import { type MigrateStoreOptions, migrateStore } from '../../src/stores/migrate-store.ts'
import { openPostgresStore } from '../../src/stores/postgres.ts'
import { openSqliteStore } from '../../src/stores/sqlite.ts'
import { SILENT } from '../conformance/stores.ts'
import type { PostgresServer } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import { T0 } from '../support/signals.ts'

export type SqliteStore = ReturnType<typeof openSqliteStore>

/** A SQLite file and an empty database in PostgreSQL. */
export async function migrationStores(t: Test, server: PostgresServer) {
  const path = join(temporaryFolder(t), 'curfew.db')
  const url = await server.createDatabase()
  const progress: string[] = []
  return {
    path,
    url,
    progress,
    /** Works on the file by the real store, as one run of Curfew does. */
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
    async target() {
      const store = await openPostgresStore(url, { connections: 3, now: () => T0, log: SILENT })
      t.teardown(() => store.close())
      return store
    },
    /** How many of each kind there are, and the ids of the jobs. */
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
