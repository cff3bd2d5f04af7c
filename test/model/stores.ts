import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOwnPostgres } from '../support/postgres.ts'
import type { OpenModelStore } from './model-store.ts'
import { postgresDatabases } from './postgres-databases.ts'
import { sqliteFiles } from './sqlite-files.ts'

/** An in-memory folder, if available: the model cuts no power, and syncing to disk takes most of a run's time. */
const IN_MEMORY = '/dev/shm'
/** Enough that every pair interacts. */
const PROCESSES = 3

/** Opens the stores of runs; `close` removes everything. */
export async function openStores(): Promise<{
  sqlite(): Promise<OpenModelStore>
  postgres(): Promise<OpenModelStore>
  close(): Promise<void>
}> {
  const ends: (() => unknown)[] = []
  return {
    async sqlite() {
      const folder = mkdtempSync(join(existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir(), 'curfew-model-'))
      ends.push(() => rmSync(folder, { recursive: true, force: true }))
      return sqliteFiles(folder)
    },
    async postgres() {
      const server = await startOwnPostgres({ teardown: (end) => ends.push(end) })
      return postgresDatabases(server, PROCESSES)
    },
    async close() {
      for (const end of ends) await end()
    },
  }
}
