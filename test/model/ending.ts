import { LEEWAY_MS } from '../../src/revocation/grant-limits.ts'
import { isSettled, isVerified, type Revocation } from '../../src/revocation/revocation.ts'
import { retry } from './actions.ts'
import { summaryOf } from './oracle.ts'
import { BOT } from './tenant.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** Several times the longest backoff. */
const ENDS_WITHIN_MS = 45 * 60_000

/** Longer than a process relies on a finding about its client. */
const KNOWN_FOR_MS = 15_000

/**
 * Restores everything: each revocation must end, and after a retry with the correct result.
 * @throws Violation
 */
export async function end(world: World): Promise<void> {
  world.note('everything works again')
  heal(world)
  await settle(world)
  await world.pass(KNOWN_FOR_MS)
  for (const [id, revocation] of world.revocations) {
    const curfew = world.fleet.at(0)
    if (curfew && !isVerified(revocation)) await retry(world, curfew, id)
  }
  world.note('everything was retried')
  await settle(world)
  for (const revocation of new Set(world.revocations.values())) checkEnd(world, revocation)
}

function heal({ network, tenant }: World): void {
  network.faults.clear()
  tenant.setAdmin(true)
  tenant.areRolesReported = true
  tenant.grantedScope = 'admin_classic'
}

async function settle(world: World): Promise<void> {
  world.touch()
  const isDone = () => world.fleet.areAllUp && [...world.revocations.values()].every(isSettled)
  await world.pass(ENDS_WITHIN_MS, isDone)
  world.touch()
  await world.look()
  const waiting = [...world.revocations.values()].find((revocation) => !isSettled(revocation))
  if (!world.fleet.areAllUp) throw new Error('A process did not start again.')
  if (waiting) throw new Violation('a revocation does not end', summaryOf(waiting))
}

function checkEnd(world: World, revocation: Revocation): void {
  if (isVerified(revocation) || revocation.supersededBy !== null) return
  const { oracle, tenant } = world
  const sents = oracle.sentsOf(revocation)
  const isNobody = sents.some(({ signal }) => oracle.usersOf(signal.user).length === 0)
  const wasUnsure = sents.some(
    ({ unsureMs, epoch }) => unsureMs === null || unsureMs > LEEWAY_MS || epoch !== tenant.epoch,
  )
  const isOwn = revocation.resolved.includes(BOT.id)
  if (isNobody || (revocation.undecided > 0 && (wasUnsure || isOwn))) return
  throw new Violation('a revocation ended with the wrong result', summaryOf(revocation))
}
