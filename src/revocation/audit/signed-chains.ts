import type { Head } from './entry.ts'
import type { SignedHeads } from './signed-heads.ts'

const DAY_MS = 24 * 60 * 60_000

/**
 * An entry that was written on an earlier day than this one, counted from the last day of its retention, is accepted as
 * deletable: signatures name entries two days in advance, and the clocks of replicas may differ.
 */
const TOLERANCE_DAYS = 3

interface Chain {
  /** The signed heads by sequence, each with the first and the last day whose signatures list it. */
  heads: Map<number, { hash: string; first: string; last: string }>
  /** By sequence: entries up to this one are deletable if they were written before the day or on it. */
  deletable: Map<number, string>
}

/**
 * What the valid signatures of an export state together. All signed heads of a chain are kept, not only the latest one:
 * otherwise, somebody could rewrite a chain, append an entry, and wait for the next signature.
 */
export class SignedChains {
  readonly #days = new Set<string>()
  readonly #chains = new Map<string, Chain>()
  /** Chains for which different heads with the same sequence are signed. */
  readonly disputed = new Set<string>()

  add({ day, heads, deletable, retentionDays }: SignedHeads): void {
    this.#days.add(day)
    for (const head of heads) this.#addHead(head, day)
    const until = dayAfter(day, TOLERANCE_DAYS - retentionDays)
    for (const { writer, sequence } of deletable) {
      const chain = this.#chain(writer)
      chain.deletable.set(sequence, later(chain.deletable.get(sequence), until))
    }
  }

  /** The days with a signature, in order. */
  days(): string[] {
    return [...this.#days].sort()
  }

  hashOf(writer: string, sequence: number): string | null {
    return this.#chains.get(writer)?.heads.get(sequence)?.hash ?? null
  }

  /** The last entry of a chain that a signature covers; 0 if there is none. */
  lastOf(writer: string): number {
    return Math.max(0, ...this.#chain(writer).heads.keys())
  }

  /**
   * The last entry of a chain that retention may have deleted; 0 if there is none. A signature may state that an entry is
   * old because somebody inserted it with a false time. So it counts only if no other signature shows that the entry was
   * written later: on the latest day on which the chain ended before it, or did not exist.
   */
  deletable(writer: string): number {
    const { heads, deletable } = this.#chain(writer)
    const days = this.days()
    const previous = new Map(days.map((day, index) => [day, days[index - 1] ?? '']))
    const listed = [...heads].map(([sequence, { first, last }]) => {
      return { sequence, last, before: previous.get(first) ?? '' }
    })
    const writtenSince = (end: number) =>
      listed.reduce((since, { sequence, last, before }) => {
        if (sequence > end) return since
        return later(since, sequence < end ? last : before)
      }, '')
    const accepted = [...deletable].filter(([sequence, until]) => writtenSince(sequence) <= until)
    return Math.max(0, ...accepted.map(([sequence]) => sequence))
  }

  #addHead({ writer, sequence, hash }: Head, day: string): void {
    const { heads } = this.#chain(writer)
    const known = heads.get(sequence)
    if (known && known.hash !== hash) this.disputed.add(writer)
    if (!known) return void heads.set(sequence, { hash, first: day, last: day })
    known.last = later(known.last, day)
    if (day < known.first) known.first = day
  }

  #chain(writer: string): Chain {
    const chain = this.#chains.get(writer) ?? { heads: new Map(), deletable: new Map() }
    this.#chains.set(writer, chain)
    return chain
  }
}

/** Of two days as YYYY-MM-DD. */
function later(one: string | undefined, other: string): string {
  return one !== undefined && one > other ? one : other
}

function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)
}
