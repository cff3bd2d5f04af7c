import { type Clock, systemClock } from '../base/clock.ts'
import { type Behaviour, DEFAULT_BEHAVIOUR } from './behaviour.ts'
import type { Folding } from './scim-filter.ts'

/** Which of the two expiry members the token endpoint's answer has: Qlik's schema and its tutorial differ. */
export type ExpiryFields = 'both' | 'expires_in' | 'expires_at' | 'none'

export interface SandboxOptions extends Partial<Behaviour> {
  /** Port to listen on; 0, the default, takes any free one. */
  port?: number
  /** Address to listen on, default `127.0.0.1`. */
  host?: string
  /** Tier 1 calls that a user may make in a window, default 5,000. */
  tier1Limit?: number
  /** Tier 2 calls that a user may make in a window, default 500. */
  tier2Limit?: number
  /** Length of the rate limits' sliding window, default 300,000. */
  windowMs?: number
  /** The clock, in Unix milliseconds; default the system's. */
  now?: () => number
  /** Timer that latency and late answers wait by, default the system's. With `now`, a fake clock drives the tenant. */
  after?: Clock['after']
  /** Expiry members in the token endpoint's answer, default `both`. A client can have its own. */
  expiryFields?: ExpiryFields
  /** Lifetime of M2M access tokens, default 6 hours. A client can have its own. */
  accessTokenLifetimeMs?: number
  /** How far the filter of users goes in ignoring letter case, default `unicode`. */
  nameFolding?: Folding
  /** Whether `/sandbox/*` lets another process steer the tenant, default false. */
  control?: boolean
}

/** The options with their defaults. The members of `Behaviour` can be changed while the tenant runs. */
export type SandboxSettings = Required<SandboxOptions>

/** Qlik Cloud's own, where it documents them. */
export const DEFAULTS: SandboxSettings = {
  ...DEFAULT_BEHAVIOUR,
  port: 0,
  host: '127.0.0.1',
  tier1Limit: 5_000,
  tier2Limit: 500,
  windowMs: 300_000,
  now: Date.now,
  after: systemClock.after,
  expiryFields: 'both',
  accessTokenLifetimeMs: 6 * 60 * 60 * 1000,
  nameFolding: 'unicode',
  control: false,
}

/** Fills in the defaults; a member that is undefined counts as not given. */
export function withDefaults(options: SandboxOptions): SandboxSettings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...DEFAULTS, ...Object.fromEntries(given) }
}
