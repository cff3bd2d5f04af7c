import { lowest } from '../base/binary-search.ts'

/** How many users have how many tokens. Pure. */
export class SizeDistribution {
  readonly #sizes: readonly number[]
  /** Of the users with one of the first n sizes: their number, and their tokens. */
  readonly #users: number[] = [0]
  readonly #tokens: number[] = [0]

  /** @param counts number of users, by number of tokens */
  constructor(counts: ReadonlyMap<number, number>) {
    // Until something is measured, users count as having one token.
    const known = counts.size > 0 ? [...counts] : [[1, 1] as const]
    const ascending = known.sort(([one], [other]) => one - other)
    this.#sizes = ascending.map(([size]) => size)
    for (const [index, [size, count]] of ascending.entries()) {
      this.#users.push((this.#users[index] ?? 0) + count)
      this.#tokens.push((this.#tokens[index] ?? 0) + size * count)
    }
  }

  /** Mean number of tokens. */
  get mean(): number {
    return this.#part(this.#tokens, this.#sizes.length)
  }

  get median(): number {
    const index = this.#users.findIndex((users) => users * 2 >= this.#total)
    return this.#sizes[Math.max(0, index - 1)] ?? 0
  }

  /** Tokens of the users with fewer than `size` tokens, divided by the number of all users. */
  tokensBelow(size: number): number {
    return this.#part(this.#tokens, this.#before(size))
  }

  /** Share of users with exactly `size` tokens. */
  shareAt(size: number): number {
    const index = this.#before(size)
    return this.#sizes[index] === size
      ? this.#part(this.#users, index + 1) - this.#part(this.#users, index)
      : 0
  }

  get #total(): number {
    return this.#users.at(-1) ?? 0
  }

  #part(sums: readonly number[], count: number): number {
    return (sums[count] ?? 0) / this.#total
  }

  /** Number of sizes less than `size`. */
  #before(size: number): number {
    return lowest(this.#sizes.length, (index) => (this.#sizes[index] ?? 0) >= size)
  }
}
