import type { Folding } from './scim-filter.ts'

/** Which of the two expiry members the token endpoint's answer has: Qlik's schema and its tutorial differ. */
export type ExpiryFields = 'both' | 'expires_in' | 'expires_at' | 'none'

export interface SandboxOptions {
  /** Port to listen on; 0, the default, takes any free one. */
  port?: number
  /** Address to listen on, default `127.0.0.1`. */
  host?: string
  /** How long each call waits before the tenant looks at it, default 0. Can be changed on the tenant. */
  latencyMs?: number
  /** Tier 1 calls that a user may make in a window, default 5,000. */
  tier1Limit?: number
  /** Tier 2 calls that a user may make in a window, default 500. */
  tier2Limit?: number
  /** Length of the rate limits' sliding window, default 300,000. */
  windowMs?: number
  /** Origin in front of paging links; on purpose not the sandbox's own. Empty makes the links relative. */
  linkOrigin?: string
  /** How far the tenant's clock is ahead of `now`: moves its Date header and its tokens' issue times. */
  clockSkewMs?: number
  /** The clock, in Unix milliseconds; default the system's. */
  now?: () => number
  /** Greatest `limit` of a listing, default 100. */
  pageSizeMax?: number
  /** Expiry members in the token endpoint's answer, default `both`. A client can have its own. */
  expiryFields?: ExpiryFields
  /** Lifetime of M2M access tokens, default 6 hours. A client can have its own. */
  accessTokenLifetimeMs?: number
  /** Answer to revoking a token that is unknown or already gone, default 404. */
  unknownTokenDelete?: 404 | 204
  /** How far the filter of users goes in ignoring letter case, default `unicode`. */
  nameFolding?: Folding
  /** Whether `GET /users/me` redirects to an absolute address, default false. */
  absoluteRedirect?: boolean
  /** Whether `/sandbox/*` lets another process steer the tenant, default false. */
  control?: boolean
}

export type SandboxSettings = Required<SandboxOptions>

/** Qlik Cloud's own, where it documents them. */
const DEFAULTS: SandboxSettings = {
  port: 0,
  host: '127.0.0.1',
  latencyMs: 0,
  tier1Limit: 5_000,
  tier2Limit: 500,
  windowMs: 300_000,
  linkOrigin: 'https://tenant.example.invalid',
  clockSkewMs: 0,
  now: Date.now,
  pageSizeMax: 100,
  expiryFields: 'both',
  accessTokenLifetimeMs: 6 * 60 * 60 * 1000,
  unknownTokenDelete: 404,
  nameFolding: 'unicode',
  absoluteRedirect: false,
  control: false,
}

/** Fills in the defaults; a member that is undefined counts as not given. */
export function withDefaults(options: SandboxOptions): SandboxSettings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...DEFAULTS, ...Object.fromEntries(given) }
}
