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
    return (this.#tokens.at(-1) ?? 0) / this.#total
  }

  get median(): number {
    return this.quantile(0.5)
  }

  /** The lowest size that this share of the users does not exceed. */
  quantile(share: number): number {
    const index = lowest(this.#sizes.length, (at) => (this.#users[at + 1] ?? 0) >= share * this.#total)
    return this.#sizes[Math.min(index, this.#sizes.length - 1)] ?? 0
  }

  get #total(): number {
    return this.#users.at(-1) ?? 0
  }
}
