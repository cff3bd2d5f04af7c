import type { ClientKey } from './client-key.ts'
import type { Environment, Mistake } from './config-environment.ts'
import type { SourceConfig } from './sources/source-kinds.ts'

// What the configuration is, once it is read.

/** What an OAuth client authenticates with at the token endpoint. */
export type ClientCredential = { kind: 'secret'; secret: string } | ClientKey

/** One, or two of one kind during a rotation, in the order in which they are tried. */
export type ClientCredentials = readonly [ClientCredential, ...ClientCredential[]]

export interface TenantConfig {
  name: string
  /** `https://host[:port]` */
  origin: string
  clientId: string
  credentials: ClientCredentials
  scope: string
  /** Release of Qlik's API that is acknowledged in each call, or `none`. */
  apiVersion: string
  tier1Limit: number
  tier2Limit: number
  windowMs: number
  timeoutMs: number
  concurrency: number
}

/** Something that proves a sender, and the names of the tenants it is good for; null for all. */
export interface ApiKeyConfig {
  key: string
  tenants: readonly string[] | null
}
export interface WebhookSecretConfig {
  secret: string
  tenants: readonly string[] | null
}

/** What can change while the service runs. */
export interface Reloadable {
  /** At least one; the first is the one that a signal means when it names none. */
  tenants: [TenantConfig, ...TenantConfig[]]
  senders: { apiKeys: ApiKeyConfig[]; webhookSecrets: WebhookSecretConfig[] }
  /** Identity providers and other services, each with a way in of its own. */
  sources: SourceConfig[]
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
