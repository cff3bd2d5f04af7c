import type { ErrorCode } from '../base/errors.ts'
import type { Failure } from './revocation.ts'
import type { Hindrance } from './waiting-for.ts'

/** Fewer consecutive failures are a passing problem: their retries are due within seconds. */
const FAILURES_IN_A_ROW = 3

/** Qlik refuses the OAuth client, or the client lacks its role or scope: only an operator can change that. */
const REFUSED: ReadonlySet<ErrorCode> = new Set([
  'CURFEW_QLIK_UNAUTHORIZED',
  'CURFEW_CLIENT_NOT_ADMIN',
  'CURFEW_SCOPE_TOO_NARROW',
])

/** Records which tenants fail, as the attempts of this process show. */
export class FailingTenants {
  readonly #failures = new Map<string, { code: ErrorCode; count: number }>()

  /** Records an attempt. `failure`: why the tenant failed; null if it works. */
  note(tenant: string, failure: Failure | null): void {
    if (failure === null) this.#failures.delete(tenant)
    else
      this.#failures.set(tenant, { code: failure.code, count: (this.#failures.get(tenant)?.count ?? 0) + 1 })
  }

  hindranceOf(tenant: string): Hindrance | null {
    const failure = this.#failures.get(tenant)
    if (!failure) return null
    if (REFUSED.has(failure.code)) return 'client-refused'
    return failure.count >= FAILURES_IN_A_ROW ? 'tenant-failing' : null
  }
}
