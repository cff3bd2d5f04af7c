import type { StorePart } from '../store.ts'

/** PostgreSQL, for several replicas. */
export const postgres: StorePart = {
  schemes: ['postgres:', 'postgresql:'],
  // Loaded on demand: without it a process on SQLite is 9 MB smaller and starts 100 ms sooner.
  open: async (url, options) => (await import('./store.ts')).openPostgresStore(url, options),
}
