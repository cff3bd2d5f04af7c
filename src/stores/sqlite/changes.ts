import { LONGEST_WAIT_MS } from '../../base/backoff.ts'
import type { NoteEvents } from '../../revocation/audit/entry.ts'
import {
  decisionEvent,
  endEvents,
  proofEvents,
  retryEvent,
  signalEvent,
} from '../../revocation/audit/events.ts'
import { type Batch, memberTime, requireRoom } from '../../revocation/batch.ts'
import { uuidv7 } from '../../revocation/id.ts'
import { join } from '../../revocation/joined-signals.ts'
import type { MassBrake } from '../../revocation/mass-brake.ts'
import { nameOf, type Origin } from '../../revocation/origin.ts'
import { REPLAY_WINDOW_MS, type ReplayKey, replayTime, requireSameRequest } from '../../revocation/replay.ts'
import { isSettled, type Revocation } from '../../revocation/revocation.ts'
import { type Room, shareRoom, shareRoomBySize } from '../../revocation/schedule.ts'
import { REASONS, type Reason, type Signal } from '../../revocation/signal.ts'
import type { SignalTime } from '../../revocation/signal-time.ts'
import {
  type ClaimedConfirmations,
  CONFIRMATION_LEASE_MS,
  type ConfirmationsRequest,
  SUCCESSOR_WAIT_MS,
} from '../../revocation/store/confirmation-store.ts'
import type { Decided, HeldQuery } from '../../revocation/store/held-store.ts'
import type { ClaimRequest } from '../../revocation/store/run-store.ts'
import type { Sized } from '../../revocation/store/size-store.ts'
import type { Accepted } from '../../revocation/store.ts'
import * as transitions from '../../revocation/transitions.ts'
import type { sqliteStatements } from './statements.ts'

interface Request {
  origin?: Origin | undefined
  batch?: Batch | undefined
}

/** A part of a request that is accepted in several transactions: see `acceptInParts`. */
interface Part {
  /** What the request has already accepted; null to look it up. */
  before: readonly Revocation[] | null
  size: number
}

/**
 * Changes revocations in the caller's transaction: reads rows, applies a transition and writes the new state, and its
 * entry in the audit trail.
 */
export function sqliteChanges(sql: ReturnType<typeof sqliteStatements>, audit: NoteEvents, brake: MassBrake) {
  function acceptOne(signal: Signal, now: number, origin: Origin | undefined): Revocation {
    const queued = sql.queuedOf(signal)
    const revocation = queued
      ? sql.save(join(queued, signal))
      : sql.insert(transitions.newRevocation(uuidv7(signal.acceptedAt), signal))
    audit([signalEvent(signal, { revocation, hasJoined: queued !== null }, origin)], now)
    return revocation
  }

  function holdOne(signal: Signal, now: number, origin: Origin): Revocation {
    const held = sql.held.of(signal, origin)
    const revocation = held
      ? sql.save(join(held, signal))
      : sql.insert(transitions.newHeld(uuidv7(signal.acceptedAt), signal, origin))
    const details = { revocation, hasJoined: held !== null, isHeld: true }
    audit([signalEvent(signal, details, origin)], now)
    return revocation
  }

  /** Queues a released revocation, or joins it to the one queued for its user. */
  function releaseOne(released: Revocation): Revocation {
    const queued = sql.queuedOf(released)
    if (!queued) return sql.save(released)
    sql.absorb(released.id, queued.id)
    return sql.save(join(queued, released))
  }

  function inTurn(
    room: Room,
    tenantsDue: () => string[],
    take: (tenant: string, limit: number) => Revocation[],
  ): Revocation[] {
    if (room.total === 0) return []
    return shareRoom(room, tenantsDue()).flatMap(({ tenant, limit }) => take(tenant, limit))
  }

  /** The fewest tokens first, as far as there is room by size. */
  function claimBySize(reason: Reason, { bySize }: Room, now: number): Revocation[] {
    if (!bySize || bySize.total <= 0) return []
    const shares = shareRoomBySize(bySize, sql.sized.tenants(reason), (tenant, limit) =>
      sql.sized.sizes(reason, tenant, now, limit),
    )
    return shares.flatMap(({ tenant, count }) => claimAll(sql.sized.due(reason, tenant, now, count), now))
  }

  function claimAll(due: Revocation[], now: number): Revocation[] {
    return due.map((queued) => sql.save(transitions.claim(queued, now)))
  }

  function requeue({ queued, absorbed }: transitions.Queued): Revocation {
    if (absorbed) sql.absorb(absorbed.id, queued.id)
    sql.noteResolved(sql.save(queued))
    return queued
  }

  /** Saves a revocation. If it is settled, its proof also confirms older revocations of the same user. */
  function settle(revocation: Revocation, now: number): Revocation {
    sql.noteResolved(sql.save(revocation))
    if (!isSettled(revocation)) return revocation
    for (const older of sql.unconfirmed.othersOf(revocation.id)) {
      const confirmed = transitions.confirmBy(older, revocation)
      if (confirmed) audit(proofEvents(sql.save(confirmed)), now)
    }
    return revocation
  }

  function answerTo(
    replay: ReplayKey,
    now: number,
  ): { revocations: Revocation[]; isFinished: boolean } | null {
    const earlier = sql.replayOf(replay, now - REPLAY_WINDOW_MS)
    if (earlier) requireSameRequest(earlier.fingerprint, replay.fingerprint)
    return earlier
  }

  return {
    answerTo,

    isReplay: (replay: ReplayKey, now: number): boolean => answerTo(replay, now)?.isFinished === true,

    /**
     * Accepts up to `size` signals that follow those accepted as `before`; by default all that no earlier request with this key
     * has accepted. Returns the revocations of these and of `before`.
     */
    accept(
      signals: readonly Signal[],
      replay: ReplayKey | null,
      now: number,
      { origin, batch }: Request = {},
      { before: known, size }: Part = { before: null, size: signals.length },
    ): Accepted {
      const earlier = replay && !known ? answerTo(replay, now) : null
      if (earlier?.isFinished) return { revocations: earlier.revocations, replayed: true }
      const before = known ?? earlier?.revocations ?? []
      if (batch && before.length === 0) requireRoom(sql.countMembers(batch), signals.length)
      let isBraked = false
      const sender = origin ? nameOf(origin) : null
      const revocations = signals.slice(before.length, before.length + size).map((given) => {
        const signal = { ...given, sender }
        if (!origin || brake.judge(origin, signal, now) === 'run') return acceptOne(signal, now, origin)
        isBraked = true
        return holdOne(signal, now, origin)
      })
      if (batch) sql.addMembers(batch, revocations, memberTime(signals, now))
      const all = [...before, ...revocations]
      if (replay) {
        const isFinished = all.length >= signals.length
        sql.noteReplay(replay, all, replayTime(replay, now), isFinished)
        if (isFinished && before.length > 0) sql.forgetUnfinished(replay)
      }
      return { revocations: all, replayed: false, ...(isBraked ? { isBraked } : {}) }
    },

    release(query: HeldQuery, now: number, origin?: Origin): Decided {
      const released = sql.held.find(query).map((one) => transitions.release(one, now, origin?.name ?? null))
      const revocations = released.map((one) => {
        const { id: into, ...became } = releaseOne(one)
        audit([decisionEvent('released', one, { into, origin })], now)
        return { id: into, ...became }
      })
      const joined = revocations.filter(({ id }, index) => id !== released[index]?.id).length
      return { revocations, joined, more: sql.held.find({ ...query, limit: 1 }).length > 0 }
    },

    cancel(query: HeldQuery, now: number, origin?: Origin): Decided {
      const held = sql.held.find(query)
      const cancelled = held.map((one) => sql.save(transitions.cancel(one, now, origin?.name ?? null)))
      audit(
        cancelled.map((one) => decisionEvent('cancelled', one, { into: one.id, origin })),
        now,
      )
      return { revocations: cancelled, joined: 0, more: sql.held.find({ ...query, limit: 1 }).length > 0 }
    },

    claim({ now, room }: ClaimRequest): Revocation[] {
      return REASONS.flatMap((reason) => [
        ...claimBySize(reason, room[reason], now),
        ...inTurn(
          room[reason],
          () => sql.tenantsDue(reason, now),
          (tenant, limit) => claimAll(sql.due(reason, tenant, now, limit), now),
        ),
      ])
    },

    noteSizes(sizes: readonly Sized[]): number {
      return sizes.reduce((count, one) => count + sql.sized.note(one), 0)
    },

    claimConfirmations({ now, room }: ConfirmationsRequest): ClaimedConfirmations {
      const due = inTurn(
        room,
        () => sql.unconfirmed.tenants(now),
        (tenant, limit) => sql.unconfirmed.due(tenant, now, limit),
      )
      const claimed = due.filter(({ id }) => !sql.unconfirmed.hasSuccessor(id))
      for (const one of due) {
        const wait = claimed.includes(one) ? CONFIRMATION_LEASE_MS : SUCCESSOR_WAIT_MS
        sql.save({ ...one, verificationDueAt: now + wait })
      }
      return { claimed, postponed: due.length - claimed.length }
    },

    confirm(id: string, confirmation: transitions.Confirmation, now: number): Revocation | null {
      const completed = sql.find(id)
      if (completed?.id !== id || completed.status !== 'completed') return null
      const next = transitions.confirm(completed, confirmation, sql.queuedOf(completed))
      if ('queued' in next) return requeue(next)
      if (completed.verificationDueAt !== null) audit(proofEvents(next.confirmed), now)
      return settle(next.confirmed, now)
    },

    end(running: Revocation, ending: transitions.Ending, now: number): void {
      const ended = transitions.end(running, ending)
      audit(endEvents(ended, ending.history), now)
      settle(ended, now)
    },

    measure(ids: readonly string[], resolve: (time: SignalTime) => SignalTime): void {
      for (const id of ids) {
        const found = sql.find(id)
        if (found && isMeasurable(found)) sql.save(transitions.measureTime(found, resolve))
      }
    },

    putBack(running: Revocation, waiting: transitions.Waiting): void {
      requeue(transitions.putBack(running, waiting, sql.queuedOf(running)))
    },

    retry(id: string, now: number, origin?: Origin): Revocation | null {
      const revocation = sql.find(id)
      if (!revocation) return null
      const other = revocation.status === 'queued' ? null : sql.queuedOf(revocation)
      const result = transitions.retry(revocation, other, now)
      if (result.change !== 'none') sql.save(result.answer)
      if (result.change === 'widened') {
        sql.save(result.superseded)
        sql.replaceMember(result.superseded.id, result.answer.id)
      }
      audit([retryEvent(revocation, result, origin)], now)
      return result.answer
    },

    withdraw(
      id: string,
      { now, force, only }: { now: number; force: boolean; only?: transitions.Found },
      origin?: Origin,
    ): Revocation | null {
      const revocation = sql.find(id)
      if (!revocation || !transitions.isStill(revocation, only)) return null
      const cancelled = transitions.withdraw(revocation, { now, force, by: origin?.name ?? null })
      if (cancelled === revocation) return revocation
      audit([decisionEvent('cancelled', cancelled, { into: cancelled.id, origin })], now)
      return sql.save(cancelled)
    },

    recover(now: number): number {
      sql.waitNoLongerThan(now, LONGEST_WAIT_MS)
      const running = sql.running()
      for (const one of running) requeue(transitions.recover(one, sql.queuedOf(one)))
      return running.length
    },
  }
}

function isMeasurable({ status }: Revocation): boolean {
  return status === 'queued' || status === 'held'
}
