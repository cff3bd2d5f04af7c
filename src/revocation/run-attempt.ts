import type { Moment } from '../base/moment.ts'
import { Attempt } from './attempt.ts'
import { identify } from './identify.ts'
import { type Listing, type ListOptions, usersOf } from './listing.ts'
import type { Proof } from './proof.ts'
import type { Gone, QlikTenant } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import type { Outcome, Revocation, TokenCounts } from './revocation.ts'
import type { Place } from './schedule.ts'
import type { Tallies } from './tallies.ts'
import type { TokenTally } from './tally.ts'

export interface RunOptions extends ListOptions {
  tallies: Tallies
  /** Resolves when no other run revokes the tokens of these Qlik users. */
  lock: (userIds: string[]) => Promise<void>
  /** Called for each token that Qlik reports as revoked or already gone. */
  onRevoked: (id: string, how: Gone) => void
  /** Called with each listing, complete or not. */
  onListed: (listing: Listing) => void
  /** Called after each change of the counts. */
  onProgress: (tokens: TokenCounts) => void
}

/** How an attempt ended. `stopped`: it is incomplete, and `error` says why. */
export type RunResult =
  | {
      ended: 'completed'
      outcome: Outcome
      /** The Qlik user ids that the revocation's user resolves to. */
      resolved: string[]
      /** The proof of the last listing, which showed no token in scope; null if there was no user to list. */
      proof: Proof | null
      /** Number of kept tokens that may be in scope, as far as the clocks show. */
      undecided: number
      /**
       * When the confirming listing is due, in ms from now; null if the last listing is already confirming or there
       * is no user to list.
       */
      confirmInMs: number | null
      tokens: TokenCounts
    }
  | {
      ended: 'stopped'
      error: unknown
      /** Null if the attempt ended before the users were known. */
      resolved: string[] | null
      tokens: TokenCounts
      /** Whether it revoked any tokens. */
      progressed: boolean
    }

/**
 * Makes one attempt at a revocation: identifies the users, lists all their tokens, revokes those in scope, and lists
 * again until none in scope is left. Never rejects, because the counts matter in every case.
 */
export async function runAttempt(
  revocation: Revocation,
  tenant: QlikTenant,
  options: RunOptions,
): Promise<RunResult> {
  const tally = options.tallies.resume(revocation)
  const startedAt = options.clock.monotonic()
  const onChange = () => options.onProgress(tally.counts)
  let resolved: string[] | null = null
  try {
    const { ownUserIds } = await requirePower(tenant, options)
    const { ids, isProven } = await identify(revocation.user, ownUserIds, tenant, options)
    resolved = ids
    await options.lock(resolved)
    const users = usersOf(resolved, ownUserIds)
    const existing = knownToExist(revocation, resolved, ownUserIds)
    const place = placeOf(revocation, tally)
    const attempt = new Attempt({ ...options, place, tenant, users, existing, tally, startedAt, onChange })
    const { proof, undecided, beganAt } = await attempt.run()
    const tokens = { ...tally.counts }
    const outcome = outcomeOf(proof, tokens, isProven)
    const confirmInMs = proof === null || outcome === 'no-such-user' ? null : confirmDelay(beganAt, options)
    return { ended: 'completed', outcome, resolved, proof, undecided, confirmInMs, tokens }
  } catch (error) {
    const tokens = { ...tally.counts }
    return { ended: 'stopped', error, resolved, tokens, progressed: tally.hasProgressed }
  } finally {
    options.tallies.keep(revocation.id, tally)
  }
}

function placeOf({ acceptedAt }: Revocation, { counts }: TokenTally): Place {
  return {
    since: acceptedAt,
    get remaining() {
      return counts.remaining
    },
  }
}

/** Used if the tenant's clock is unknown, or was when the listing began. The next listing may reveal it. */
const CONFIRM_BLINDLY_AFTER_MS = 6_000

/** `confirmInMs` for a last listing that began at `beganAt`. */
function confirmDelay(beganAt: Moment, { time, clock }: ListOptions): number | null {
  const missing = time.missingMs(beganAt)
  if (missing === null) return CONFIRM_BLINDLY_AFTER_MS
  return missing === 0 ? null : Math.max(0, Math.ceil(missing - (clock.monotonic() - beganAt.monotonic)))
}

/** A user exists if Qlik found it by name, or if its tokens were listed, in this attempt or an earlier one. */
function knownToExist(
  { user, tokens }: Revocation,
  resolved: string[],
  ownUserIds: ReadonlySet<string>,
): string[] {
  const found = tokens.revoked + tokens.alreadyGone + tokens.kept + tokens.remaining
  return user.kind !== 'userId' || found > 0 ? [...resolved, ...ownUserIds] : [...ownUserIds]
}

/** @param isIdentified whether the client that searched for the user is proven to see all users */
function outcomeOf(
  proof: Proof | null,
  { revoked, alreadyGone }: TokenCounts,
  isIdentified: boolean,
): Outcome {
  if (proof === null) return isIdentified ? 'no-such-user' : 'none-visible'
  if (revoked + alreadyGone > 0) return 'revoked'
  if (proof.role === 'not-reported') return 'none-visible'
  return proof.userExists ? 'nothing-to-revoke' : 'no-such-user'
}
