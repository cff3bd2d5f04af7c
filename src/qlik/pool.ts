import { lowest } from '../base/binary-search.ts'
import type { Power } from '../revocation/qlik-tenant.ts'
import type { Allowance } from '../revocation/survey-plan.ts'

/** An OAuth client of a tenant, as far as it decides which client makes a call. */
export interface Member {
  readonly clientId: string
  readonly power: Power | 'not-checked'
  /** When Qlik last refused it, in ms of a monotonic clock; null if it is in use. */
  readonly refusedAt: number | null
}

/** How long a refused client is not used, before it is tried again. */
export const TRY_AGAIN_MS = 60_000

/** Clients in a lower class are used only if no other class has any. */
const CLASSES = ['proven', 'unknown', 'out'] as const
type Class = (typeof CLASSES)[number]

/**
 * Whether a client makes calls, and how well: it does not while Qlik refuses it or it lacks its role or scope, because a
 * client without them gets empty lists and 404s instead of errors. `unknown`: Qlik reports no roles, or it is not checked
 * yet.
 */
export function classOf({ power, refusedAt }: Member): Class {
  if (refusedAt !== null || power === 'lacking') return 'out'
  return power === 'proven' ? 'proven' : 'unknown'
}

/**
 * The clients that may make a call; the call waits for the first of them that has room. Those of the best class, those
 * with the most room first, so that a long backlog uses all budgets evenly. If all are out, only the one that was
 * refused first: its failure is reported, and it may be accepted again. A client that lacks power comes last: it would get
 * empty lists.
 * @param without clients that have already failed to make this call
 * @param roomOf number of calls that a client could start now
 */
export function eligible<M extends Member>(
  members: readonly M[],
  without: ReadonlySet<M>,
  roomOf: (member: M) => number,
): M[] {
  const left = members.filter((member) => !without.has(member))
  const best = CLASSES.find((one) => left.some((member) => classOf(member) === one))
  const chosen = left.filter((member) => classOf(member) === best)
  if (best !== 'out') return chosen.length > 1 ? byRoom(chosen, roomOf) : chosen
  if (without.size > 0) return []
  const sinceOf = ({ refusedAt }: Member) => refusedAt ?? Number.POSITIVE_INFINITY
  return chosen.sort((one, other) => sinceOf(one) - sinceOf(other)).slice(0, 1)
}

function byRoom<M>(members: readonly M[], roomOf: (member: M) => number): M[] {
  return members
    .map((member) => ({ member, room: roomOf(member) }))
    .sort((one, other) => other.room - one.room)
    .map(({ member }) => member)
}

/**
 * Earliest time at which `calls` more calls could all have started, if each is made by the first client that has room.
 * @param freeAts for each client, the earliest time at which its nth next call could start; does not decrease with n
 */
export function poolFreeAt(freeAts: readonly ((nth: number) => number)[], calls: number): number {
  const [only, ...others] = freeAts
  if (!only) return Number.POSITIVE_INFINITY
  if (others.length === 0) return only(calls)
  const startedBy = (time: number) =>
    freeAts.reduce((sum, freeAt) => sum + largest(calls, (nth) => freeAt(nth) <= time), 0)
  // The answer is the start of some client's call: the earliest by which enough have started.
  return Math.min(
    ...freeAts.map((freeAt) => {
      const tooFew = largest(calls, (nth) => startedBy(freeAt(nth)) < calls)
      return tooFew < calls ? freeAt(tooFew + 1) : Number.POSITIVE_INFINITY
    }),
  )
}

/** What several clients allow together. */
export function sumOf(allowances: readonly Allowance[]): Allowance {
  const sum = { permitsPerWindow: 0, permits: 0, readsPerWindow: 0, reads: 0 }
  for (const { permitsPerWindow, permits, readsPerWindow, reads } of allowances) {
    sum.permitsPerWindow += permitsPerWindow
    sum.permits += permits
    sum.readsPerWindow += readsPerWindow
    sum.reads += reads
  }
  return sum
}

/** When the first of several clients can make a call again; null if one can now. */
export function earliestOfAll(times: readonly (number | null)[]): number | null {
  return times.includes(null) ? null : Math.min(...times.map(Number))
}

/** The largest n from 0 to `most` for which a test holds that holds for all smaller ones. */
function largest(most: number, holds: (n: number) => boolean): number {
  return lowest(most, (before) => !holds(before + 1))
}
