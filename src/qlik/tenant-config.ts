import type { ClientKey } from '../base/client-key.ts'

/** How an OAuth client authenticates at the token endpoint. */
export type ClientCredential = { kind: 'secret'; secret: string } | ClientKey

/** One credential, or two of the same kind during a rotation, in the order in which they are tried. */
export type ClientCredentials = readonly [ClientCredential, ...ClientCredential[]]

export interface TenantConfig {
  name: string
  /** `https://host[:port]` */
  origin: string
  clientId: string
  /** The new one first: a reload shows whether Qlik accepts it while the old one still works. */
  credentials: ClientCredentials
  scope: string
  /** Release of Qlik's API that each call acknowledges, or `none`. */
  apiVersion: string
  tier1Limit: number
  tier2Limit: number
  windowMs: number
  timeoutMs: number
  concurrency: number
}
