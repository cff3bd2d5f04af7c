import type { ErrorCode } from '../base/errors.ts'
import { earliest } from '../base/times.ts'
import type { Failure } from './revocation.ts'
import type { Hindrance } from './waiting-for.ts'

/** Fewer consecutive failures are a passing problem: their retries are due within seconds. */
const FAILURES_IN_A_ROW = 3
/**
 * Longer than the longest backoff. Without an attempt for this time, the tenant has nothing due here, or another process
 * has found that it works.
 */
const FORGOTTEN_AFTER_MS = 6 * 60_000
/** Failed attempts in a row, of any user, after which a tenant is given pauses. */
const FAILURES_WITHOUT_PAUSE = 10
const LONGEST_PAUSE_MS = 10_000

/** Qlik refuses the OAuth client, or the client lacks its role or scope: only an operator can change that. */
const REFUSED: ReadonlySet<ErrorCode> = new Set([
  'CURFEW_QLIK_UNAUTHORIZED',
  'CURFEW_CLIENT_NOT_ADMIN',
  'CURFEW_SCOPE_TOO_NARROW',
])

interface Failing {
  code: ErrorCode
  /** Attempts that failed in a row. */
  failures: number
  at: number
}

/** The tenants whose last attempt in this process failed. Times in ms, of one clock. */
export class FailingTenants {
  readonly #failing = new Map<string, Failing>()

  /** Records an attempt. `failure`: why the tenant failed; null if it works. */
  note(tenant: string, failure: Pick<Failure, 'code'> | null, now: number): void {
    const failures = (this.#failing.get(tenant)?.failures ?? 0) + 1
    if (failure === null) this.#failing.delete(tenant)
    else this.#failing.set(tenant, { code: failure.code, failures, at: now })
  }

  has(tenant: string): boolean {
    return this.#failing.has(tenant)
  }

  /** The failing tenants, and whether the pause of each is over. */
  pauses(now: number): ReadonlyMap<string, boolean> {
    return new Map([...this.#failing].map(([tenant, failing]) => [tenant, pausedUntil(failing) <= now]))
  }

  /** When the first pause ends; null if there is none. */
  resumesAt(now: number): number | null {
    return earliest(...[...this.#failing.values()].map(pausedUntil).filter((at) => at > now))
  }

  /** Why the revocations of a tenant cannot proceed, or null. */
  hindranceOf(tenant: string, now: number): Hindrance | null {
    const failing = this.#failing.get(tenant)
    if (!failing || now - failing.at > FORGOTTEN_AFTER_MS) return null
    if (REFUSED.has(failing.code)) return 'client-refused'
    return failing.failures >= FAILURES_IN_A_ROW ? 'tenant-failing' : null
  }
}

function pausedUntil({ failures, at }: Failing): number {
  return at + pauseMs(failures)
}

/**
 * How long no run of a tenant starts after a failed attempt, in ms: 1 s, 2 s … up to 10 s, from the tenth failure in a
 * row on. A revocation waits for its own backoff as well, but with thousands in the queue one is always due, and each
 * attempt costs a commit.
 * @param failures attempts of the tenant that failed in a row
 */
function pauseMs(failures: number): number {
  return Math.min(Math.max(0, failures - FAILURES_WITHOUT_PAUSE + 1) * 1_000, LONGEST_PAUSE_MS)
}
