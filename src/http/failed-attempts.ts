import { isIPv6 } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { CurfewError, type ErrorCode } from '../base/errors.ts'
import { putLast } from '../base/put-last.ts'
import { LONGEST_ADDRESS } from './client-address.ts'
import type { CountRefusal } from './refusals.ts'

const WINDOW_MS = 60_000
/** About 1 MB. Above it, the addresses that failed first are forgotten. */
const MAX_ADDRESSES = 10_000

/** Errors of requests that are not authenticated. A replayed token is authentic. */
const FAILED_AUTHENTICATION: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CURFEW_UNAUTHENTICATED',
  'CURFEW_SIGNATURE_INVALID',
  'CURFEW_SIGNATURE_EXPIRED',
  'CURFEW_SOURCE_UNPROVEN',
  'CURFEW_STREAM_UNAUTHENTICATED',
  'CURFEW_TOKEN_MALFORMED',
  'CURFEW_TOKEN_KEY_UNKNOWN',
  'CURFEW_TOKEN_SIGNATURE_INVALID',
  'CURFEW_TOKEN_ISSUER_WRONG',
  'CURFEW_TOKEN_AUDIENCE_WRONG',
  'CURFEW_TOKEN_TIME_INVALID',
])

export interface FailedAttemptsOptions {
  /** Failures per address and minute; 0 for no limit. */
  perMinute: number
  clock: Pick<Clock, 'monotonic'>
  refused: CountRefusal
}

interface Window {
  failures: number
  /** Monotonic time. */
  endsAt: number
}

/**
 * Limits failed authentication per address. Requests that authenticate are never limited: credentials are verified first, because
 * behind a proxy or NAT, an attacker and an honest sender can share an address.
 */
export class FailedAttempts {
  readonly #options: FailedAttemptsOptions
  /** By start of the window. */
  readonly #windows = new Map<string, Window>()

  constructor(options: FailedAttemptsOptions) {
    this.#options = options
  }

  /** Failures of this address in its current window. */
  of(address: string | null): number {
    return this.#windowOf(addressKey(address))?.failures ?? 0
  }

  /**
   * Counts an error if it is a failed authentication.
   * @returns the error, or CURFEW_TOO_MANY_FAILURES if the address exceeds the limit
   */
  judge(address: string | null, error: unknown): unknown {
    const { perMinute, clock, refused } = this.#options
    if (!(error instanceof CurfewError) || !FAILED_AUTHENTICATION.has(error.code)) return error
    const window = this.count(address)
    if (perMinute === 0 || window.failures <= perMinute) return error
    refused('failed-authentication')
    const retryAfterSeconds = Math.max(1, Math.ceil((window.endsAt - clock.monotonic()) / 1000))
    return new CurfewError('CURFEW_TOO_MANY_FAILURES', undefined, {
      retryAfterSeconds,
      cause: error,
      evidence: error.evidence,
    })
  }

  /** Counts a failed authentication of a request that is answered regardless. */
  count(address: string | null): Readonly<Window> {
    const key = addressKey(address)
    const window = this.#windowOf(key) ?? this.#begin(key)
    window.failures += 1
    return window
  }

  #windowOf(key: string): Window | null {
    const window = this.#windows.get(key)
    if (!window || window.endsAt > this.#options.clock.monotonic()) return window ?? null
    this.#windows.delete(key)
    return null
  }

  #begin(key: string): Window {
    const window = { failures: 0, endsAt: this.#options.clock.monotonic() + WINDOW_MS }
    putLast(this.#windows, key, window, MAX_ADDRESSES)
    return window
  }
}

/** The address, or the /64 network of an IPv6 address: a single host usually has that many addresses. Empty if unknown. */
export function addressKey(address: string | null): string {
  const [plain = ''] = (address ?? '').split('%')
  if (!isIPv6(plain)) return plain.slice(0, LONGEST_ADDRESS)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped) return mapped
  // The canonical form (RFC 5952), without an IPv4 part.
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':').length : 0
  const zeros = tail === undefined ? 0 : 8 - groups.length - after
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...(tail ? tail.split(':') : [])]
  return `${all.slice(0, 4).join(':')}::/64`
}
