import { lowest } from '../base/binary-search.ts'
import { timePartOf } from './id.ts'
import { RESERVE_EVERY } from './schedule.ts'

/** Users of the same urgency with the same number of tokens. */
export interface UsersOfSize {
  /** The lowest id, for groups of more than one. */
  id: string
  /** At least 1. */
  size: number
  count: number
}

const RESERVED = 1 / RESERVE_EVERY
/** Sums of fractions are inexact. */
const ROUNDING = 1e-6

/**
 * Follows `nextInLine` through the queue of one urgency: nine of ten permits go to the users with the fewest tokens, one
 * to the oldest. Takes a step for each group, not for each permit, so the numbers of permits are fractions. Pure.
 */
export class OrderForecast {
  /** The fewest tokens first, the oldest first among equals. */
  readonly #bySize: readonly UsersOfSize[]
  /** Indexes of `#bySize`, the oldest first. */
  readonly #byAge: readonly number[]
  /** Number of permits until a group has no token left, by index of `#bySize`. */
  readonly #doneAt: number[]
  /** Number of permits until all groups before this position have no token left, in order of size and of age. */
  readonly #reachedBySize: number[] = [0]
  readonly #reachedByAge: number[] = [0]

  constructor(groups: readonly UsersOfSize[]) {
    this.#bySize = [...groups].sort(compareSize)
    // Indexes sort by size, so those of the same ms do, too.
    this.#byAge = this.#bySize
      .map(({ id }, index) => ({ time: timePartOf(id), index }))
      .sort((one, other) => compare(one.time, other.time) || one.index - other.index)
      .map(({ index }) => index)
    this.#doneAt = this.#bySize.map(() => 0)
    this.#follow()
  }

  #follow(): void {
    const left = this.#bySize.map(({ size, count }) => size * count)
    // Of the user who is served: all that is left, if the group is one user.
    const ofOne = (index: number) => {
      const { size = 0, count = 0 } = this.#bySize[index] ?? {}
      return count === 1 ? (left[index] ?? 0) : size
    }
    let permits = 0
    const take = (index: number, tokens: number) => {
      left[index] = (left[index] ?? 0) - tokens
      if (left[index] < ROUNDING) left[index] = 0
      if (left[index] === 0) this.#doneAt[index] = permits
    }
    for (let [smallest, age] = [0, 0]; ; ) {
      for (; left[smallest] === 0; smallest += 1) this.#reachedBySize.push(permits)
      for (; left[this.#byAge[age] ?? -1] === 0; age += 1) this.#reachedByAge.push(permits)
      const oldest = this.#byAge[age]
      if (oldest === undefined) return
      const [most, rest] = [left[smallest] ?? 0, left[oldest] ?? 0]
      // The oldest may have fewer tokens left than the user with the fewest at first.
      const isSame = oldest === smallest || ofOne(oldest) <= ofOne(smallest)
      const given = isSame ? rest : Math.min(most / (1 - RESERVED), rest / RESERVED)
      permits += given
      take(oldest, isSame ? rest : given * RESERVED)
      if (!isSame) take(smallest, given * (1 - RESERVED))
    }
  }

  /** Expected number of permits until this user, who has `size` tokens and may be in a group, has no token left. */
  permitsUntil(size: number, id: string): number {
    const user = { id, size }
    const after = lowest(this.#bySize.length, (index) => compareSize(this.#at(index), user) > 0)
    const last = after > 0 ? this.#at(after - 1) : null
    if (last?.size === size && (last.count > 1 || last.id === id)) {
      const doneAt = this.#doneAt[after - 1] ?? 0
      if (last.count === 1) return doneAt
      const from = Math.min(doneAt, this.#reachedBySize[after - 1] ?? 0)
      return last.id === id ? Math.min(doneAt, from + size) : (from + doneAt) / 2
    }
    const older = lowest(this.#byAge.length, (at) => compareAge(this.#at(this.#byAge[at] ?? 0), user) > 0)
    return Math.min(
      (this.#reachedBySize[after] ?? 0) + size,
      (this.#reachedByAge[older] ?? 0) + size / RESERVED,
    )
  }

  #at(index: number): UsersOfSize {
    return this.#bySize[index] as UsersOfSize
  }
}

type User = Pick<UsersOfSize, 'id' | 'size'>

function compareSize(one: User, other: User): number {
  return one.size - other.size || compare(one.id, other.id)
}

/** Revocations of the same millisecond have the same age. */
function compareAge(one: User, other: User): number {
  return compare(timePartOf(one.id), timePartOf(other.id)) || compareSize(one, other)
}

function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
