import { lowest } from '../base/binary-search.ts'
import { RESERVE_EVERY, urgencyOf } from './schedule.ts'
import { REASONS, type Reason } from './signal.ts'
import { SizeDistribution } from './size-distribution.ts'
import type { QueueGroup } from './store/sizes.ts'

/** A revocation whose place in the queue is wanted. */
export interface Waiting {
  id: string
  reason: Reason
  /** Number of tokens that remain; null if unknown. */
  size: number | null
}

/** The queue of one urgency, for operators. */
export interface QueueCounts {
  queued: number
  running: number
  /** Number of tokens that remain, of the users whose tokens were counted. */
  knownTokens: number
  /** Number of users whose tokens are not counted yet. */
  uncounted: number
}

/**
 * The queued and running revocations of a tenant, as sums. Predicts after how many permits a revocation is complete, by
 * the rule of `nextInLine`: docs/order-of-revocations.md derives the formula. Pure; a prediction takes microseconds.
 */
export class TenantQueue {
  /** Number of tokens per user. */
  readonly sizes: SizeDistribution
  /** Id of the oldest queued revocation; null if there is none. */
  readonly oldestQueued: string | null
  readonly #lines: ReadonlyMap<Reason, Line>

  /** @param ended number of users of this tenant whose revocation has ended, by number of tokens */
  constructor(groups: readonly QueueGroup[], ended: ReadonlyMap<number, number> = new Map()) {
    const counts = new Map(ended)
    for (const { size, count } of groups) if (size !== null) counts.set(size, (counts.get(size) ?? 0) + count)
    this.sizes = new SizeDistribution(counts)
    const queued = groups.filter(({ isRunning }) => !isRunning).map(({ id }) => id)
    this.oldestQueued = queued.reduce<string | null>(
      (one, other) => (one === null || other < one ? other : one),
      null,
    )
    const byReason = Map.groupBy(groups, ({ reason }) => reason)
    this.#lines = new Map(REASONS.map((reason) => [reason, new Line(byReason.get(reason) ?? [], this.sizes)]))
  }

  countsOf(reason: Reason): QueueCounts {
    return this.#line(reason).counts
  }

  /** Expected number of permits for all of them. */
  get permits(): number {
    return Math.ceil(REASONS.reduce((sum, reason) => sum + this.#line(reason).tokens, 0))
  }

  /** Expected number of permits until this revocation has no token left. */
  permitsUntil({ id, reason, size }: Waiting): number {
    const own = size ?? this.sizes.median
    if (own === 0) return 0
    const moreUrgent = REASONS.slice(0, urgencyOf(reason))
    const ahead = moreUrgent.reduce((sum, other) => sum + this.#line(other).tokens, 0)
    return Math.ceil(ahead + this.#line(reason).permitsUntil(own, id) - ROUNDING)
  }

  /** Expected number of reads until this revocation is listed, in the order of age. */
  readsUntil({ id, reason, size }: Waiting): number {
    if (size !== null && size > 0) return 0
    const moreUrgent = REASONS.slice(0, urgencyOf(reason)).map((other) => this.#line(other).unlisted)
    return this.#readsFor([...moreUrgent, this.#line(reason).unlistedBefore(id)]) + 1
  }

  /** Expected number of reads until all of them are listed. */
  get reads(): number {
    return this.#readsFor(REASONS.map((reason) => this.#line(reason).unlisted))
  }

  /** One for each user, or one for each 100 tokens if that is cheaper: see `planSurvey`. */
  #readsFor(unlisted: readonly Unlisted[]): number {
    const uncounted = unlisted.reduce((sum, one) => sum + one.uncounted, 0)
    const without = unlisted.reduce((sum, one) => sum + one.without, 0)
    return without + Math.min(uncounted, Math.ceil(this.permits / TOKENS_A_PAGE))
  }

  #line(reason: Reason): Line {
    return this.#lines.get(reason) ?? EMPTY
  }
}

const TOKENS_A_PAGE = 100
/** Sums of fractions are inexact. */
const ROUNDING = 1e-6
/** Bisection stops at this number of permits, or after this number of halvings. */
const PRECISION = 0.5
const HALVINGS = 40

/** Users to be listed: those whose tokens are not counted, and those without tokens, whom only their runs list. */
interface Unlisted {
  uncounted: number
  without: number
}

/** The revocations of one urgency. */
class Line {
  readonly counts: QueueCounts
  /** Expected number of tokens of all users. */
  readonly tokens: number
  readonly #sizes: SizeDistribution
  /** Users with tokens, the fewest tokens first, the oldest first among equals. */
  readonly #bySize: Sums
  /** Users who have or may have tokens, the oldest first. */
  readonly #byAge: Sums
  readonly #uncounted: Sums
  readonly #without: Sums

  constructor(groups: readonly QueueGroup[], sizes: SizeDistribution) {
    const usersIn = (some: readonly QueueGroup[]) => some.reduce((sum, { count }) => sum + count, 0)
    const counted = groups.filter(({ size }) => size !== null && size > 0)
    const uncounted = groups.filter(({ size }) => size === null)
    this.#sizes = sizes
    this.#bySize = new Sums(counted, (one, other) => sizeOf(one) - sizeOf(other) || byId(one, other), sizeOf)
    this.#byAge = new Sums([...counted, ...uncounted], byId)
    this.#uncounted = new Sums(uncounted, byId)
    this.#without = new Sums(
      groups.filter(({ size }) => size === 0),
      byId,
    )
    this.counts = {
      queued: usersIn(groups.filter(({ isRunning }) => !isRunning)),
      running: usersIn(groups.filter(({ isRunning }) => isRunning)),
      knownTokens: this.#bySize.total,
      uncounted: this.#uncounted.total,
    }
    this.tokens = this.counts.knownTokens + this.counts.uncounted * sizes.mean
  }

  get unlisted(): Unlisted {
    return { uncounted: this.#uncounted.total, without: this.#without.total }
  }

  unlistedBefore(id: string): Unlisted {
    return { uncounted: this.#uncounted.beforeId(id), without: this.#without.beforeId(id) }
  }

  /**
   * While the users with the fewest tokens get nine of ten permits and the oldest one, users are completed from both ends.
   * If size and age are independent, after a share s of all permits, the users with the fewest tokens, up to a share
   * 1 − (1 − s)^0.9 of all tokens, are complete, and so is a share 1 − (1 − s)^0.1 of the users, the oldest ones. A user
   * is complete when the first of the two reaches it. From when it is the oldest, its tokens decrease, too.
   */
  permitsUntil(own: number, id: string): number {
    const before = this.#tokensBefore(own, id)
    const total = Math.max(this.tokens, before + own)
    const users = Math.max(1, this.#byAge.total)
    const olderShare = Math.min(1, this.#byAge.beforeId(id) / users)
    const bySize = total * (1 - (1 - (before + own) / total) ** (1 / (1 - RESERVED)))
    const oldestFrom = total * (1 - (1 - olderShare) ** (1 / RESERVED))
    if (oldestFrom >= bySize) return Math.max(own, bySize)
    const leftAt = (permits: number) => own - (permits - oldestFrom) * RESERVED
    const reachedAt = (permits: number) => total * (1 - (1 - permits / total) ** (1 - RESERVED))
    // When no other user has fewer tokens left than this one, it gets all permits.
    let [low, high] = [oldestFrom, Math.min(bySize, oldestFrom + own / RESERVED)]
    for (let halving = 0; halving < HALVINGS && high - low > PRECISION; halving += 1) {
      const permits = (low + high) / 2
      if (this.#tokensBefore(leftAt(permits), id) <= reachedAt(permits)) high = permits
      else low = permits
    }
    const begun = this.#bySize.leftOfUserAt(reachedAt(high))
    const first = begun < leftAt(high) ? begun : 0
    return Math.max(own, Math.min(bySize, high + first + leftAt(high)))
  }

  /** Expected number of tokens of the users who come before one with `size` tokens and this id. */
  #tokensBefore(size: number, id: string): number {
    const counted = this.#bySize.before(
      (group) => sizeOf(group) > size || (sizeOf(group) === size && group.id > id),
      id,
      (last) => sizeOf(last) === size,
    )
    const { total } = this.#uncounted
    if (total === 0) return counted
    const equal = this.#sizes.shareAt(size)
    const olderEqual = equal === 0 ? 0 : equal * size * this.#uncounted.beforeId(id)
    return counted + total * this.#sizes.tokensBelow(size) + olderEqual
  }
}

const RESERVED = 1 / RESERVE_EVERY

function sizeOf({ size }: QueueGroup): number {
  return size ?? 0
}

function byId(one: QueueGroup, other: QueueGroup): number {
  if (one.id === other.id) return 0
  return one.id < other.id ? -1 : 1
}

/** Sums over groups in an order. */
class Sums {
  readonly #groups: readonly QueueGroup[]
  /** Of the first n groups. */
  readonly #sums: number[] = [0]

  constructor(
    groups: readonly QueueGroup[],
    compare: (one: QueueGroup, other: QueueGroup) => number,
    weightOf: (group: QueueGroup) => number = () => 1,
  ) {
    this.#groups = [...groups].sort(compare)
    for (const [index, group] of this.#groups.entries())
      this.#sums.push((this.#sums[index] ?? 0) + group.count * weightOf(group))
  }

  get total(): number {
    return this.#sums.at(-1) ?? 0
  }

  /** The number of users before this id, if the order is that of ids. */
  beforeId(id: string): number {
    return this.before((group) => group.id > id, id)
  }

  /** If sums are tokens: how many the user whose tokens contain this position has after it. */
  leftOfUserAt(position: number): number {
    const index = lowest(this.#groups.length, (at) => (this.#sums[at + 1] ?? 0) > position)
    const group = this.#groups[index]
    if (!group) return 0
    const size = sizeOf(group)
    return size - ((position - (this.#sums[index] ?? 0)) % size)
  }

  /** The sum up to the first group that `isAfter` this id; only half of the last one if the id `mayBeIn` it. */
  before(isAfter: (group: QueueGroup) => boolean, id: string, mayBeIn: typeof isAfter = () => true): number {
    const index = lowest(this.#groups.length, (at) => isAfter(this.#groups[at] as QueueGroup))
    const last = this.#groups[index - 1]
    const [beforeLast, upTo] = [this.#sums[index - 1] ?? 0, this.#sums[index] ?? 0]
    if (last?.id === id) return beforeLast
    return last && last.count > 1 && mayBeIn(last) ? (beforeLast + upTo) / 2 : upTo
  }
}

const EMPTY = new Line([], new SizeDistribution(new Map()))
