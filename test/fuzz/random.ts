/** A pseudo-random sequence (mulberry32), the same for the same seed and number on every machine. */
export class Random {
  #state: number

  constructor(seed: number, number = 0) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) | 0
    // The first values of neighbouring seeds are similar.
    for (let skip = 0; skip < 4; skip += 1) this.next()
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 up to, and without, `below`. */
  int(below: number): number {
    return Math.floor(this.next() * below)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** @throws if there are no items */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new Error('There is nothing to pick.')
    return items[this.int(items.length)] as Item
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.int(256)))
  }

  /** Mostly short, seldom long. */
  length(max: number): number {
    return this.int(1 + this.int(1 + (this.chance(0.05) ? max : Math.min(max, 24))))
  }
}
