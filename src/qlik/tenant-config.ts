import type { ClientKey } from '../base/client-key.ts'

/** How an OAuth client authenticates at the token endpoint. */
export type ClientCredential = { kind: 'secret'; secret: string } | ClientKey

/** One credential, or two of the same kind during a rotation, in the order in which they are tried. */
export type ClientCredentials = readonly [ClientCredential, ...ClientCredential[]]

/** An OAuth client of a tenant. Qlik counts the calls of each client separately. */
export interface ClientConfig {
  clientId: string
  /** The new one first: a reload shows whether Qlik accepts it while the old one still works. */
  credentials: ClientCredentials
  scope: string
}

export interface TenantConfig {
  name: string
  /** `https://host[:port]` */
  origin: string
  /** Each has its own access token and budget. */
  clients: readonly [ClientConfig, ...ClientConfig[]]
  /** Release of Qlik's API that each call acknowledges, or `none`. */
  apiVersion: string
  /** Calls per window, of each client. */
  tier1Limit: number
  tier2Limit: number
  windowMs: number
  timeoutMs: number
  /** Concurrent revoking calls, of each client. */
  concurrency: number
}
