import type { Permits } from '../qlik/budget/permit-log.ts'
import type { RevocationStore } from '../revocation/store.ts'
import type { PostgresStoreOptions } from './postgres.ts'
import { openSqliteStore } from './sqlite.ts'

/** Where revocations are kept, and the permits for calls to Qlik Cloud. */
export interface Store extends RevocationStore {
  permits: Permits
}

/**
 * Opens the store that an address means: `sqlite:<path>`, for one process, or `postgres://…`, for several.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function openStore(url: string, options: PostgresStoreOptions): Promise<Store> {
  const file = /^sqlite:(.+)$/.exec(url)?.[1]
  if (file !== undefined) return openSqliteStore(file, options.clock)
  // Loaded where it is used: a process on SQLite is 9 MB smaller without, and starts 100 ms sooner.
  const { openPostgresStore } = await import('./postgres.ts')
  return openPostgresStore(url, options)
}
