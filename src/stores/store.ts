import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Permits } from '../qlik/budget/permit-log.ts'
import type { BrakeLimits } from '../revocation/mass-brake.ts'
import type { Outbox } from '../revocation/outbox.ts'
import type { RevocationStore } from '../revocation/store.ts'

/** Keeps revocations, and the permits for calls to Qlik Cloud. */
export interface Store extends RevocationStore {
  permits: Permits
  /** Writes a consistent copy to a new file, while the service runs. Absent if the database has tools of its own for that. */
  backup?(): Promise<Backup>
  /** Free space where the database is, if that is this machine; null if it cannot be read. */
  freeBytes?(): Promise<number | null>
}

export interface Backup {
  /** Absolute path. */
  file: string
  bytes: number
}

export interface StoreOptions {
  /** Maximum number of open connections, if the store has connections. */
  connections: number
  /** Whether the audit trail is written; by default it is. */
  audit?: boolean
  clock: Clock
  log: Log
  /** The brake on mass revocation; by default there is no limit. */
  massRevocation?: BrakeLimits
  /** Decides which notifications changes cause; by default none. */
  outbox?: Outbox
}

/** An optional store: a folder, and a line in `src/parts.ts`. */
export interface StorePart {
  /** Schemes of DATABASE_URL, with the colon. */
  schemes: readonly string[]
  /** @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE */
  open(url: string, options: StoreOptions): Promise<Store>
}
