import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Clock } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { SourceEntry } from '../../base/source-entry.ts'
import type { IssuerConfig } from '../common/entry.ts'
import type { IssuerSource } from './issuer-source.ts'
import { LARGEST_TOKEN } from './verify-token.ts'

/** Minimum time between two warnings for the same source and reason. */
export const WARNING_EVERY_MS = 60_000
/** In characters, and in members of a list. */
const LONGEST_VALUE = 256
const MAX_VALUES = 10

type AnyIssuerSource = IssuerSource<SourceEntry & IssuerConfig>

export interface RejectedTokensOptions {
  /** The expected values of the header `typ`; null stands for a missing one. */
  types: readonly (string | null)[]
  clock: Pick<Clock, 'monotonic'>
  log: Pick<Log, 'warn'>
}

/**
 * Wraps a function that takes tokens, so that rejections are logged with what was expected and what was received: one
 * warning a minute for each source and reason. Anybody can send a token, so its values are shortened and escaped.
 */
export function warnOfRejectedTokens<Source extends AnyIssuerSource, More extends unknown[]>(
  take: (source: Source, token: string, ...more: More) => Promise<void>,
  { types, clock, log }: RejectedTokensOptions,
): (source: Source, token: string, ...more: More) => Promise<void> {
  const warned = new Map<string, { at: number; leftOut: number }>()
  const warn = ({ config, keys }: Source, token: string, { code, message }: CurfewError) => {
    const about = `${config.name} ${code}`
    const last = warned.get(about)
    const now = clock.monotonic()
    if (last && now - last.at < WARNING_EVERY_MS) {
      last.leftOut += 1
      return
    }
    warned.set(about, { at: now, leftOut: 0 })
    const { issuer, audience } = config
    const details = {
      ...{ source: config.name, code, problem: message },
      expected: { iss: issuer, aud: audience, typ: types, kid: shown(keys.kids()) },
      received: receivedIn(token),
      ...(last?.leftOut ? { leftOut: last.leftOut } : {}),
    }
    log.warn(details, 'a token of a source was rejected')
  }
  return async (source, token, ...more) => {
    try {
      await take(source, token, ...more)
    } catch (error) {
      if (isRejection(error)) warn(source, token, error)
      throw error
    }
  }
}

/** A repeated token is no mistake of the configuration. */
function isRejection(error: unknown): error is CurfewError {
  if (!(error instanceof CurfewError) || error.code === 'CURFEW_TOKEN_REPLAYED') return false
  return error.code.startsWith('CURFEW_TOKEN_') || error.code === 'CURFEW_KEY_LOOKUP_DEFERRED'
}

/** The members of an unverified token that commonly differ from the configuration; null if it is not a JWT. */
function receivedIn(token: string): object | null {
  if (token.length > LARGEST_TOKEN) return null
  try {
    const { typ, kid } = decodeProtectedHeader(token)
    const { iss, aud } = decodeJwt(token)
    return { iss: shown(iss), aud: shown(aud), typ: shown(typ), kid: shown(kid) }
  } catch {
    return null
  }
}

/** A value of any type, shortened, with printable ASCII only: it may be shown on a terminal. */
function shown(value: unknown): unknown {
  if (Array.isArray(value))
    return value.slice(0, MAX_VALUES).map((one) => (Array.isArray(one) ? 'array' : shown(one)))
  if (value === undefined || value === null) return null
  if (typeof value !== 'string') return typeof value
  const text = value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}...` : value
  return text.replaceAll(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
