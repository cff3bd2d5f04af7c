import { type Clock, systemClock } from '../base/clock.ts'
import { type Behaviour, DEFAULT_BEHAVIOUR } from './behaviour.ts'
import type { Folding } from './scim-filter.ts'

/** The expiry members in the response of the token endpoint: Qlik's schema and tutorial differ. */
export type ExpiryFields = 'both' | 'expires_in' | 'expires_at' | 'none'

export interface SandboxOptions extends Partial<Behaviour> {
  /** Port to listen on. Default: 0, any free port. */
  port?: number
  /** Address to listen on. Default: `127.0.0.1`. */
  host?: string
  /** Tier 1 calls per user and window. Default: 5,000. */
  tier1Limit?: number
  /** Tier 2 calls per user and window. Default: 500. */
  tier2Limit?: number
  /** Sliding window of the rate limits. Default: 300,000. */
  windowMs?: number
  /** The clock, in ms since the epoch. Default: the system clock. */
  now?: () => number
  /** Timer for latency and late responses. Default: the system's. Together with `now`, a fake clock drives the tenant. */
  after?: Clock['after']
  /** Expiry members in the response of the token endpoint. A client can override it. Default: `both`. */
  expiryFields?: ExpiryFields
  /** Lifetime of M2M access tokens. A client can override it. Default: 6 hours. */
  accessTokenLifetimeMs?: number
  /** How the user filter ignores letter case. Default: `unicode`. */
  nameFolding?: Folding
  /** Whether other processes can control the tenant with `/sandbox/*`. Default: false. */
  control?: boolean
}

/** The options with their defaults. The members of `Behaviour` can be changed while the tenant runs. */
export type SandboxSettings = Required<SandboxOptions>

/** Qlik Cloud's values where they are documented. */
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

/** Adds the defaults. An undefined member counts as not given. */
export function withDefaults(options: SandboxOptions): SandboxSettings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...DEFAULTS, ...Object.fromEntries(given) }
}
