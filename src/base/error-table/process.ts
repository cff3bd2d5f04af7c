import type { ErrorSection } from './error-section.ts'

/** Errors at the start of the process, and of a reload. */
export const PROCESS_ERRORS = {
  CURFEW_CONFIG_INVALID: {
    status: 422,
    title: 'The configuration is invalid',
    action:
      'Correct what is listed; .env.example and docs/configuration.md describe each key. At start the process exits with ' +
      'code 78. On reload the current configuration stays in use.',
  },
  CURFEW_STORE_LOCKED: {
    status: null,
    title: 'Another process uses this database file',
    action: 'Run one process per SQLite file. The process exits with code 75.',
  },
  CURFEW_STORE_NEWER: {
    status: null,
    title: 'A newer version of Curfew migrated the database',
    action: 'Start that version or a later one. The process exits with code 75.',
  },
} as const satisfies ErrorSection
