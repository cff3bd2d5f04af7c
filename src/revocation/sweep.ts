import { type CallOptions, QlikFailure, type QlikTenant, type Token } from './qlik-tenant.ts'
import { isFinal } from './retry-policy.ts'
import type { TokenCounts } from './revocation.ts'
import { isInScope, type TokenScope } from './scope.ts'

/** 100,000 tokens of one user: more is taken for a loop. */
const PAGES_AT_MOST = 1_000

export interface Sweep {
  userId: string
  scope: TokenScope
  tenant: QlikTenant
  /** Changed as the sweep goes on. */
  tokens: TokenCounts
  /** Tokens this attempt has already seen go; grows with the sweep. */
  gone: Set<string>
  options: CallOptions & { now: () => number; onProgress: (tokens: TokenCounts) => void }
}

/**
 * Lists a user's tokens once, to the end, and revokes those in scope as they are listed, up to the tenant's
 * concurrency at once.
 *
 * A revocation that fails is left for the next sweep and the others go on, so that one bad answer in a
 * thousand costs one more listing and not a thousand backoffs. After as many failures as there are lanes, or
 * a final one, it stops. Rejects with the first failure, once nothing is in flight any more.
 * @returns how many tokens in scope were listed, and how many of them were revoked or found gone now
 */
export async function sweep(run: Sweep): Promise<{ wanted: number; revokedNow: number }> {
  const { tenant, tokens, gone, options } = run
  const failures: unknown[] = []
  const stopped = () =>
    options.signal.aborted || failures.length >= tenant.concurrency || failures.some(isFinal)
  let wanted = 0
  let revokedNow = 0

  async function revokeOne(token: Token): Promise<void> {
    wanted += 1
    if (gone.has(token.id)) return
    tokens.remaining += 1
    const outcome = await tenant.revokeToken(token.id, options)
    gone.add(token.id)
    revokedNow += 1
    tokens.remaining -= 1
    if (outcome === 'revoked') tokens.revoked += 1
    else tokens.alreadyGone += 1
    options.onProgress(tokens)
  }

  const listed = inScope(run)
  async function lane(): Promise<void> {
    while (!stopped()) {
      try {
        const { value: token, done } = await listed.next()
        if (done) return
        await revokeOne(token)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: tenant.concurrency }, lane))
  options.signal.throwIfAborted()
  if (failures.length > 0) throw failures.find(isFinal) ?? failures[0]
  return { wanted, revokedNow }
}

/** The tokens in scope, page by page; those kept are counted. Each token comes once, however often it is listed. */
async function* inScope({ scope, tenant, tokens, options, userId }: Sweep): AsyncGenerator<Token, void> {
  const seen = new Set<string>()
  for await (const page of pages(tenant, userId, options)) {
    const tenantNow = options.now() + tenant.clockOffset()
    for (const token of page) {
      if (seen.has(token.id)) continue
      seen.add(token.id)
      if (isInScope(token, scope, tenantNow)) yield token
      else tokens.kept += 1
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
