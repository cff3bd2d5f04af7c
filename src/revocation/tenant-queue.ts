import { lowest } from '../base/binary-search.ts'
import { OrderForecast, type UsersOfSize } from './order-forecast.ts'
import { urgencyOf } from './schedule.ts'
import { REASONS, type Reason } from './signal.ts'
import { SizeDistribution } from './size-distribution.ts'
import type { QueueGroup } from './store/size-store.ts'

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
 * the rule of `nextInLine`: see docs/order-of-revocations.md#estimates. Pure; a prediction takes microseconds.
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
  readonly #groups: readonly QueueGroup[]
  readonly #sizes: SizeDistribution
  readonly #uncounted: Ages
  readonly #without: Ages
  /** Built when it is needed. */
  #forecast: OrderForecast | null = null

  constructor(groups: readonly QueueGroup[], sizes: SizeDistribution) {
    const usersIn = (some: readonly QueueGroup[]) => some.reduce((sum, { count }) => sum + count, 0)
    this.#groups = groups
    this.#sizes = sizes
    this.#uncounted = new Ages(groups.filter(({ size }) => size === null))
    this.#without = new Ages(groups.filter(({ size }) => size === 0))
    this.counts = {
      queued: usersIn(groups.filter(({ isRunning }) => !isRunning)),
      running: usersIn(groups.filter(({ isRunning }) => isRunning)),
      knownTokens: groups.reduce((sum, { size, count }) => sum + (size ?? 0) * count, 0),
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

  permitsUntil(own: number, id: string): number {
    this.#forecast ??= new OrderForecast(this.#users())
    return Math.max(own, this.#forecast.permitsUntil(own, id))
  }

  /** Those with tokens. Those who are not counted are assumed to have the sizes of the others. */
  #users(): UsersOfSize[] {
    const assumed = this.#uncounted.groups.map(({ id, count }, index) => ({
      ...{ id, count },
      size: this.#sizes.quantile(((index + 0.5) * GOLDEN_RATIO) % 1),
    }))
    const known = this.#groups.map(({ id, count, size }) => ({ id, count, size: size ?? 0 }))
    return [...known, ...assumed].filter(({ size }) => size > 0)
  }
}

/** The multiples of this, without their integral part, are spread evenly, however many there are. */
const GOLDEN_RATIO = (1 + Math.sqrt(5)) / 2

/** The number of users before an id, in the order of age. */
class Ages {
  readonly groups: readonly QueueGroup[]
  /** Of the first n groups. */
  readonly #sums: number[] = [0]

  constructor(groups: readonly QueueGroup[]) {
    this.groups = [...groups].sort((one, other) => (one.id < other.id ? -1 : 1))
    for (const [index, { count }] of this.groups.entries()) this.#sums.push((this.#sums[index] ?? 0) + count)
  }

  get total(): number {
    return this.#sums.at(-1) ?? 0
  }

  /** Of the last group that begins before the id, half counts. */
  beforeId(id: string): number {
    const index = lowest(this.groups.length, (at) => (this.groups[at]?.id ?? '') > id)
    const last = this.groups[index - 1]
    const [beforeLast, upTo] = [this.#sums[index - 1] ?? 0, this.#sums[index] ?? 0]
    if (last?.id === id) return beforeLast
    return last && last.count > 1 ? (beforeLast + upTo) / 2 : upTo
  }
}

const EMPTY = new Line([], new SizeDistribution(new Map()))
