import type { SourceEntry } from '../base/source-entry.ts'
import type { SendersConfig } from '../http/senders.ts'
import type { TenantConfig } from '../qlik/tenant-config.ts'
import type { Environment, Mistake } from './environment.ts'

// What the configuration is, once it is read.

/** What can change while the service runs. */
export interface Reloadable {
  /** At least one; the first is the one that a signal means when it names none. */
  tenants: [TenantConfig, ...TenantConfig[]]
  senders: SendersConfig
  /** Identity providers and other services, each with a way in of its own. */
  sources: SourceEntry[]
  /** Keys that work but should be changed, and what is expected instead. Never holds a value. */
  warnings: Mistake[]
}

export interface Config extends Reloadable {
  host: string
  port: number
  logLevel: Environment['LOG_LEVEL']
  databaseUrl: string
  databaseConnections: number
  retentionDays: number
  shutdownDrainMs: number
  shutdownGraceMs: number
}
