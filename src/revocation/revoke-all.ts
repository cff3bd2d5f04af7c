import { CurfewError } from '../errors.ts'
import { identify } from './identify.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import type { Outcome, Revocation, TokenCounts } from './revocation.ts'
import { LEEWAY_MS, type TokenScope } from './scope.ts'
import { sweep } from './sweep.ts'

/** New tokens may be issued while old ones are revoked: how often to list again before waiting a little. */
const ROUNDS_PER_ATTEMPT = 10

export interface RunOptions extends CallOptions {
  /** Our clock, ms since the epoch. */
  now: () => number
  /** Told after each change of the counts. */
  onProgress: (tokens: TokenCounts) => void
}

/** How one attempt ended. `stopped`: not all is done, `error` says why. */
export type RunResult =
  | { ended: 'completed'; outcome: Outcome; verified: boolean; tokens: TokenCounts }
  | { ended: 'stopped'; error: unknown; tokens: TokenCounts; progressed: boolean }

/**
 * One attempt at a revocation: identify the user, list their tokens, revoke those in scope, and list again
 * until none in scope is left. Never rejects: the counts matter in every case.
 */
export async function revokeAll(
  revocation: Revocation,
  tenant: QlikTenant,
  options: RunOptions,
): Promise<RunResult> {
  const tokens: TokenCounts = { ...revocation.tokens, kept: 0, remaining: 0 }
  const goneBefore = tokens.revoked + tokens.alreadyGone
  try {
    const { ownUserId } = await knownNotToBePowerless(tenant, options)
    const userIds = await identify(revocation.user, ownUserId, tenant, options)
    for (const userId of userIds) {
      const scope = scopeOf(revocation, tenant, userId === ownUserId)
      await revokeUntilNoneIsLeft({ userId, scope, tenant, tokens, options })
    }
    const { power } = await tenant.power(options)
    return { ended: 'completed', ...judge(userIds, tokens, power === 'proven'), tokens }
  } catch (error) {
    const progressed = tokens.revoked + tokens.alreadyGone > goneBefore
    return { ended: 'stopped', error, tokens, progressed }
  }
}

async function knownNotToBePowerless(tenant: QlikTenant, options: RunOptions) {
  const known = await tenant.power(options)
  if (known.power === 'lacking') {
    throw new CurfewError(
      'CURFEW_CLIENT_NOT_ADMIN',
      "The OAuth client's bot user lacks the role TenantAdmin, so other users' tokens are invisible to it.",
    )
  }
  return known
}

/**
 * The signal's time is by our clock, the tokens' times are by the tenant's. Curfew's own user always keeps
 * what was issued after the signal, or its own renewed access token would be revoked over and over.
 */
export function scopeOf(
  { scope, deviceType, occurredAt }: Pick<Revocation, 'scope' | 'deviceType' | 'occurredAt'>,
  tenant: QlikTenant,
  isOwnUser: boolean,
): TokenScope {
  return {
    scope: isOwnUser ? 'issued-before' : scope,
    deviceType,
    issuedUntil: occurredAt + tenant.clockOffset() + (isOwnUser ? 0 : LEEWAY_MS),
  }
}

interface UserRun {
  userId: string
  scope: TokenScope
  tenant: QlikTenant
  tokens: TokenCounts
  options: RunOptions
}

async function revokeUntilNoneIsLeft(run: UserRun): Promise<void> {
  const keptOfOthers = run.tokens.kept
  const gone = new Set<string>()
  for (let round = 0; round < ROUNDS_PER_ATTEMPT; round += 1) {
    run.tokens.kept = keptOfOthers
    run.tokens.remaining = 0
    const { wanted, revokedNow } = await sweep({ ...run, gone })
    if (wanted === 0) return
    if (revokedNow === 0) break
  }
  throw new CurfewError('CURFEW_TOKENS_REMAIN', 'Qlik Cloud still lists tokens that it said were revoked.')
}

function judge(
  userIds: string[],
  tokens: TokenCounts,
  proven: boolean,
): { outcome: Outcome; verified: boolean } {
  if (userIds.length === 0) return { outcome: 'no-such-user', verified: proven }
  if (tokens.revoked + tokens.alreadyGone > 0) return { outcome: 'revoked', verified: true }
  return proven
    ? { outcome: 'nothing-to-revoke', verified: true }
    : { outcome: 'none-visible', verified: false }
}
