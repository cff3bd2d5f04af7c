import type { ClientKey } from '../base/client-key.ts'

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
