import type { Parts } from './components.ts'
import { backChannelLogout } from './sources/back-channel-logout/part.ts'
import { globalTokenRevocation } from './sources/global-token-revocation/part.ts'
import { sharedSignals } from './sources/shared-signals/part.ts'
import { webhooks } from './sources/webhook/part.ts'
import { postgres } from './stores/postgres/part.ts'

/** The optional parts. Each is one line here and one folder; to leave it out, remove both. */
export const parts = {
  stores: [postgres],
  sources: [backChannelLogout, globalTokenRevocation, sharedSignals, webhooks],
} as const satisfies Parts

/** Commands in addition to `serve`, by name. Loaded on demand, because `migrate-store` imports both stores. */
export const commands = {
  'migrate-store': async (args) => (await import('./commands/migrate-store.ts')).migrateStoreCommand(args),
  'hash-api-key': async (args) => (await import('./commands/hash-api-key.ts')).hashApiKeyCommand(args),
  'verify-audit': async (args) => (await import('./commands/verify-audit.ts')).verifyAuditCommand(args),
} as const satisfies Record<string, (args: string[]) => Promise<void>>
