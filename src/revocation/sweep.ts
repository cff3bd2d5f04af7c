import type { Clock } from '../clock.ts'
import { type CallOptions, QlikFailure, type QlikTenant, type Token } from './qlik-tenant.ts'
import { isFinal } from './retry-policy.ts'
import type { TokenCounts } from './revocation.ts'
import { isInScope, type TokenScope } from './scope.ts'
import type { TokenTally } from './tally.ts'

/** 100,000 tokens of one user: more is taken for a loop. */
const PAGES_AT_MOST = 1_000
/** Then it is the tenant that fails, not a token. */
const FAILURES_IN_A_ROW = 16

export interface RunOptions extends CallOptions {
  clock: Clock
  /** Told after each change of the counts. */
  onProgress: (tokens: TokenCounts) => void
}

export interface Sweep {
  userId: string
  scope: TokenScope
  tenant: QlikTenant
  /** Counts as the sweep goes on. */
  tally: TokenTally
  options: RunOptions
}

/**
 * Lists a user's tokens once, to the end, and revokes those in scope as they are listed, up to the tenant's
 * concurrency at once.
 *
 * A revocation that fails is left for the next sweep and the others go on, so that one bad answer in a
 * thousand costs one more listing and not a thousand backoffs. After many failures in a row, or a final one, it
 * stops. Rejects with the first failure, once no revoking call is in flight any more.
 * @returns how many tokens in scope were listed, and how many of them were not known to be revoked before
 */
export async function sweep(run: Sweep): Promise<{ wanted: number; fresh: number }> {
  const { tenant, tally, options } = run
  const failures: unknown[] = []
  let failuresInARow = 0
  const stopped = () =>
    options.signal.aborted || failuresInARow >= FAILURES_IN_A_ROW || failures.some(isFinal)
  let wanted = 0
  let fresh = 0

  async function revokeOne({ id }: Token): Promise<void> {
    wanted += 1
    if (!tally.list(id)) return
    fresh += 1
    tally.go(id, await tenant.revokeToken(id, options))
    failuresInARow = 0
    options.onProgress(tally.counts)
  }

  tally.beginSweep()
  const listed = inScope(run)
  async function lane(): Promise<void> {
    while (!stopped()) {
      try {
        const { value: token, done } = await listed.next()
        if (done) return
        await revokeOne(token)
      } catch (error) {
        failures.push(error)
        failuresInARow += 1
      }
    }
  }
  await Promise.all(Array.from({ length: tenant.concurrency }, lane))
  options.signal.throwIfAborted()
  if (failures.length > 0) throw failures.find(isFinal) ?? failures[0]
  return { wanted, fresh }
}

/** The tokens in scope, page by page; those kept are counted. Each token comes once, however often it is listed. */
async function* inScope({ scope, tenant, tally, options, userId }: Sweep): AsyncGenerator<Token, void> {
  const seen = new Set<string>()
  for await (const page of pages(tenant, userId, options)) {
    const tenantNow = options.clock.now() + tenant.clockOffset()
    for (const token of page) {
      if (seen.has(token.id)) continue
      seen.add(token.id)
      if (isInScope(token, scope, tenantNow)) yield token
      else tally.keep()
    }
  }
}

/**
 * All pages of a user's tokens. The next page is asked for while the caller works on this one.
 * Rejects with `unreadable` when the pages repeat or do not end.
 */
export async function* pages(
  tenant: QlikTenant,
  userId: string,
  options: CallOptions,
): AsyncGenerator<Token[], void> {
  const seen = new Set<string>()
  let current = tenant.listTokens(userId, null, options)
  for (;;) {
    const { tokens, next } = await current
    if (next === null) return yield tokens
    if (seen.has(next) || seen.size >= PAGES_AT_MOST) {
      yield tokens
      throw new QlikFailure('unreadable', "Qlik Cloud's list of tokens does not end: its pages repeat.")
    }
    seen.add(next)
    current = tenant.listTokens(userId, next, options)
    // Awaited in the next round; a failure before that must not count as unhandled.
    current.catch(() => {})
    yield tokens
  }
}
