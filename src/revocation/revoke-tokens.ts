import type { ListOptions } from './listing.ts'
import { type Gone, QlikFailure, type QlikTenant } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import type { TokenTally } from './tally.ts'
import { isRefusal, nameTokens } from './token-fate.ts'

/** This many indicate that the tenant fails or the client has lost its power, not that a token is at fault. */
const FAILURES_IN_A_ROW = 16
/** Applies once the power is proven again: a fifth of what Qlik allows in a window is enough to find out. */
const REFUSALS_IN_A_ROW = 100

export interface RevokeOptions extends ListOptions {
  tally: TokenTally
  /** When the attempt began; monotonic ms. */
  startedAt: number
  /** Called for each token that Qlik reports as revoked or already gone. */
  onRevoked: (id: string, how: Gone) => void
  /** Called after each change of the tally. */
  onChange: () => void
}

/**
 * Revokes these tokens, up to the tenant's concurrency in parallel. A token that fails, or that Qlik refuses to
 * revoke, does not stop the others; a token that was refused to another run since this attempt began is skipped.
 * `refusedSince` returns the refused ones.
 *
 * Rejects once all calls have finished: with the first transient failure; as `requirePower` does, if Qlik returned
 * 403 and the client has lost its power; or with the refusal, if Qlik refuses one token after the other.
 */
export async function revokeTokens(
  ids: readonly string[],
  tenant: QlikTenant,
  options: RevokeOptions,
): Promise<void> {
  const { signal, tally, startedAt, onRevoked, onChange } = options
  const failures: unknown[] = []
  let wasForbidden = false
  let failuresInARow = 0
  let next = 0

  async function revokeOne(id: string): Promise<void> {
    if (refusalSince(startedAt, id, tenant)) return
    try {
      const how = await tenant.revokeToken(id, options)
      tally.go(id, how)
      onRevoked(id, how)
      failuresInARow = 0
      onChange()
    } catch (error) {
      failuresInARow += 1
      if (!isRefusal(error)) failures.push(error)
      else wasForbidden ||= error.kind === 'forbidden'
    }
  }

  async function revokeUntil(maxFailures: number): Promise<void> {
    const lane = async () => {
      while (failuresInARow < maxFailures && !signal.aborted) {
        const id = ids[next]
        if (id === undefined) return
        next += 1
        await revokeOne(id)
      }
    }
    await Promise.all(Array.from({ length: tenant.concurrency }, lane))
    signal.throwIfAborted()
    if (failures.length > 0) throw failures[0]
  }

  await revokeUntil(FAILURES_IN_A_ROW)
  if (wasForbidden) await requirePower(tenant, { ...options, maxAgeMs: 0 })
  await revokeUntil(REFUSALS_IN_A_ROW)
  if (next < ids.length) throw notRevoked(refusedSince(startedAt, ids, tenant), ids.length - next)
}

/** Why Qlik refused to revoke a token since `startedAt`, to any run of this process; null if it did not. */
function refusalSince(startedAt: number, id: string, tenant: QlikTenant): QlikFailure | null {
  const fate = tenant.fateOf(id)
  return fate?.kind === 'refused' && fate.at >= startedAt ? fate.failure : null
}

/** The tokens among `ids` that Qlik refused to revoke since `startedAt`, and why. */
export function refusedSince(
  startedAt: number,
  ids: Iterable<string>,
  tenant: QlikTenant,
): Map<string, QlikFailure> {
  const refused = new Map<string, QlikFailure>()
  for (const id of ids) {
    const refusal = refusalSince(startedAt, id, tenant)
    if (refusal) refused.set(id, refusal)
  }
  return refused
}

/**
 * Combines the refusals into one failure that names the tokens.
 * @param untried number of tokens that were not tried after that
 */
export function notRevoked(refused: ReadonlyMap<string, QlikFailure>, untried = 0): QlikFailure {
  const refusals = [...refused.values()]
  const first = refusals.find(({ kind }) => kind === 'forbidden') ?? refusals[0]
  const rest = untried > 0 ? ` ${untried} more were not tried.` : ''
  const message = `${first?.message} Not revoked: ${nameTokens([...refused.keys()])}.${rest}`
  return new QlikFailure(first?.kind ?? 'rejected', message)
}
