import type { AuditReading, ChainSpan } from './audit-log.ts'
import { sha256 } from './chain.ts'
import type { Position, StoredEntry } from './entry.ts'

const ENTRIES_AT_ONCE = 500

/**
 * The beginnings of chains that are older than a time. A signature states them before retention deletes them, so that a
 * verifier can distinguish retention from tampering. Keeps what it has read: entries of a chain that retention deleted
 * completely stay deletable, because its process may continue the chain.
 */
export class DeletableEntries {
  readonly #audit: Pick<AuditReading, 'page'>
  readonly #last = new Map<string, number>()

  constructor(audit: Pick<AuditReading, 'page'>) {
    this.#audit = audit
  }

  /**
   * The last old entry of each chain that has one.
   * @param before ms since the epoch; as retention does, it stops at the first entry of a chain that is not older
   */
  async read(spans: readonly ChainSpan[], before: number): Promise<Position[]> {
    for (const { writer, first } of spans) {
      const known = this.#last.get(writer) ?? 0
      const last = await this.#lastOld({ writer, sequence: Math.max(known, first - 1) }, before)
      if (last !== null) this.#last.set(writer, last)
    }
    return [...this.#last].map(([writer, sequence]) => ({ writer, sequence }))
  }

  /** Null if the entry after the position is not old, or was changed. */
  async #lastOld({ writer, sequence }: Position, before: number): Promise<number | null> {
    let last: number | null = null
    // Most chains have no old entry, so the first page is small.
    for (let limit = 1; ; limit = ENTRIES_AT_ONCE) {
      const page = await this.#audit.page({ writer, sequence: last ?? sequence }, limit)
      for (const entry of page) {
        if (entry.writer !== writer || !(timeOf(entry) < before)) return last
        last = entry.sequence
      }
      if (page.length < limit) return last
    }
  }
}

/** NaN if the entry was changed: its time may be false. */
function timeOf({ text, hash }: StoredEntry): number {
  try {
    if (sha256(text) !== hash) return Number.NaN
    return Number(JSON.parse(text).at)
  } catch {
    return Number.NaN
  }
}
