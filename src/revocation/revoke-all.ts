import { CurfewError } from '../errors.ts'
import { identify } from './identify.ts'
import { type Proof, weakestRole } from './proof.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import type { Outcome, Revocation, TokenCounts } from './revocation.ts'
import { scopeOf } from './scope.ts'
import { type RunOptions, type Sweep, sweep } from './sweep.ts'
import { TokenTally } from './tally.ts'

/** How old the knowledge of the client's power may be where an empty list depends on it. */
const FRESH_POWER_MS = 10_000

/** New tokens may be issued while old ones are revoked: how often to list again before waiting a little. */
const ROUNDS_PER_ATTEMPT = 10

/** How one attempt ended. `stopped`: not all is done, `error` says why. */
export type RunResult =
  | {
      ended: 'completed'
      outcome: Outcome
      /** The Qlik user ids that the revocation's reference means. */
      resolved: string[]
      /** Of the last listing; null where there was nobody to list. */
      proof: Proof | null
      /** Tokens of which the clocks do not tell whether they are in scope. */
      undecided: number
      tokens: TokenCounts
    }
  | {
      ended: 'stopped'
      error: unknown
      /** Null where the attempt ended before the users were known. */
      resolved: string[] | null
      tokens: TokenCounts
      progressed: boolean
    }

/**
 * One attempt at a revocation: identify the user, list their tokens, revoke those in scope, and list again
 * until none in scope is left. Never rejects: the counts matter in every case.
 */
export async function revokeAll(
  revocation: Revocation,
  tenant: QlikTenant,
  options: RunOptions,
): Promise<RunResult> {
  const tally = new TokenTally(revocation.tokens)
  const tokens = tally.counts
  let resolved: string[] | null = null
  try {
    const { ownUserId } = await requirePower(tenant, options)
    const userIds = await identify(revocation.user, ownUserId, tenant, options)
    resolved = userIds
    const at = options.clock.now()
    for (const userId of userIds) {
      const scope = scopeOf(revocation, tenant, userId === ownUserId)
      await revokeUntilNoneIsLeft({ userId, scope, tenant, tally, options })
    }
    // Asked again: an empty list says something only if the client could have seen tokens just now.
    const { power } = await requirePower(tenant, { ...options, knownForMs: FRESH_POWER_MS })
    const isVisible =
      power === 'proven' || (userIds.length > 0 && userIds.every((userId) => userId === ownUserId))
    tally.complete()
    const role = power === 'proven' ? 'tenant-admin' : 'not-told'
    const proof: Proof = {
      at,
      pages: 1,
      listings: 1,
      undisturbed: true,
      client: tenant.clientId,
      scope: 'admin_classic',
      role: weakestRole(userIds.map((userId) => (userId === ownUserId ? 'own-user' : role))),
      userExists: userIds.length > 0,
    }
    const outcome = outcomeOf(userIds, tokens, isVisible)
    return { ended: 'completed', outcome, resolved, proof, undecided: 0, tokens }
  } catch (error) {
    tally.stop()
    return { ended: 'stopped', error, resolved, tokens, progressed: tally.hasProgressed }
  }
}

async function revokeUntilNoneIsLeft(run: Sweep): Promise<void> {
  run.tally.beginUser()
  for (let round = 0; round < ROUNDS_PER_ATTEMPT; round += 1) {
    const { wanted, fresh } = await sweep(run)
    if (wanted === 0) return
    if (fresh === 0) break
  }
  throw new CurfewError('CURFEW_TOKENS_REMAIN', 'Qlik Cloud still lists tokens that it said were revoked.')
}

function outcomeOf(userIds: string[], tokens: TokenCounts, isVisible: boolean): Outcome {
  if (userIds.length === 0) return 'no-such-user'
  if (tokens.revoked + tokens.alreadyGone > 0) return 'revoked'
  return isVisible ? 'nothing-to-revoke' : 'none-visible'
}
