import { DAY_MS, dayOf } from '../../base/utc-day.ts'
import type { Head, Position } from './entry.ts'
import { ANNOUNCED_DAYS, type SignedHeads } from './signed-heads.ts'

/** A signature of this number of days before an entry expires is accepted: the clocks of replicas may differ. */
const TOLERANCE_DAYS = ANNOUNCED_DAYS + 1

interface Chain {
  /** The signed heads by sequence, each with the first and the last day whose signatures list it. */
  heads: Map<number, { hash: string; first: string; last: string }>
  /**
   * By sequence: entries up to this one are deletable if they were written on the day `until` or before. `first`: the first
   * day whose signatures state it.
   */
  deletable: Map<number, { until: string; first: string }>
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
    for (const position of deletable) this.#addDeletable(position, day, until)
  }

  /** The days with a signature, in order. */
  days(): string[] {
    return [...this.#days].sort()
  }

  hashOf(writer: string, sequence: number): string | null {
    return this.#chains.get(writer)?.heads.get(sequence)?.hash ?? null
  }

  /** The last entry of a chain that a signature covers; 0 if there is none. */
  lastSigned(writer: string): number {
    return Math.max(0, ...this.#chain(writer).heads.keys())
  }

  /**
   * The last entry of a chain that retention may have deleted; 0 if there is none. A signature may state that an entry is
   * old because somebody inserted it with a false time. So it counts only if no other signature shows that the entry was
   * written later.
   */
  lastDeletable(writer: string): number {
    const accepted = [...this.#chain(writer).deletable].filter(
      ([sequence, { until }]) => this.#writtenSince(writer, sequence) <= until,
    )
    return Math.max(0, ...accepted.map(([sequence]) => sequence))
  }

  /**
   * The latest signed day on which the chain ended before an entry, or did not exist; '' if there is none. A chain that
   * retention deleted completely is not listed, but it existed if an earlier signature states that it is deletable.
   */
  #writtenSince(writer: string, end: number): string {
    const { heads, deletable } = this.#chain(writer)
    const endsBefore = [...heads].flatMap(([sequence, { last }]) => (sequence < end ? last : []))
    const shown = [...heads, ...deletable].flatMap(([sequence, { first }]) => (sequence >= end ? first : []))
    const [firstShown = ''] = shown.sort()
    const dayBefore = this.days().findLast((day) => day < firstShown) ?? ''
    return endsBefore.reduce(later, dayBefore)
  }

  #addHead({ writer, sequence, hash }: Head, day: string): void {
    const { heads } = this.#chain(writer)
    const known = heads.get(sequence)
    if (known && known.hash !== hash) this.disputed.add(writer)
    if (!known) return void heads.set(sequence, { hash, first: day, last: day })
    known.last = later(known.last, day)
    if (day < known.first) known.first = day
  }

  #addDeletable({ writer, sequence }: Position, day: string, until: string): void {
    const { deletable } = this.#chain(writer)
    const known = deletable.get(sequence) ?? { until, first: day }
    deletable.set(sequence, {
      until: later(known.until, until),
      first: day < known.first ? day : known.first,
    })
  }

  #chain(writer: string): Chain {
    const chain = this.#chains.get(writer) ?? { heads: new Map(), deletable: new Map() }
    this.#chains.set(writer, chain)
    return chain
  }
}

/** Of two days as YYYY-MM-DD. */
function later(one: string, other: string): string {
  return one > other ? one : other
}

function dayAfter(day: string, days: number): string {
  return dayOf(Date.parse(day) + days * DAY_MS)
}
