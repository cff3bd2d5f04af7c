import type { SourceEntry } from '../base/source-entry.ts'
import type { SendersConfig } from '../http/senders.ts'
import type { TenantConfig } from '../qlik/tenant-config.ts'
import type { BrakeLimits } from '../revocation/mass-brake.ts'
import type { ReceiversConfig } from '../revocation/notification.ts'
import type { Environment } from './environment.ts'
import type { Mistake } from './read-environment.ts'

/** The part of the configuration that a reload can change. */
export interface Reloadable {
  /** At least one. Signals that name no tenant are for the first. */
  tenants: [TenantConfig, ...TenantConfig[]]
  senders: SendersConfig
  /** Identity providers and other services that report logouts. */
  sources: SourceEntry[]
  /** Services that are notified. */
  receivers: ReceiversConfig
  /** Keys that work but should be changed, and the expected value. Never contains the configured value. */
  warnings: Mistake[]
}

export interface Config extends Reloadable {
  host: string
  port: number
  /** The operators' own listener; null if they have none. */
  operators: { host: string; port: number } | null
  logLevel: Environment['LOG_LEVEL']
  /** Addresses and networks of proxies. */
  trustProxy: string[]
  maxConnections: number
  maxFailedAuthentications: number
  memoryLimitMb: number
  databaseUrl: string
  databaseConnections: number
  massRevocation: BrakeLimits
  retentionDays: number
  /** 0 if the audit trail is turned off. */
  auditRetentionDays: number
  /** PEM; null if the audit trail is not signed. */
  auditSigningKey: string | null
  /** Null if each process creates its own. */
  dashboardSecret: string | null
  /** Whether the dashboard changes nothing. */
  isDashboardReadOnly: boolean
  shutdownDrainMs: number
  shutdownGraceMs: number
}
