import { createHash } from 'node:crypto'
import { canonicalJson } from '../../base/canonical-json.ts'
import type { AuditEvent, Entry, Head, PrivatePart, StoredEntry } from './entry.ts'

/** Where a chain ends. An empty chain has the sequence 0 and no hash. */
export interface ChainEnd {
  writer: string
  sequence: number
  hash: string | null
}

export function emptyChain(writer: string): ChainEnd {
  return { writer, sequence: 0, hash: null }
}

/**
 * Appends events to a chain: each entry contains the hash of the previous one. Pure.
 * @param at ms since the epoch
 * @param newSalt returns 32 random bytes in hex
 */
export function append(
  end: ChainEnd,
  events: readonly AuditEvent[],
  at: number,
  newSalt: () => string,
): { end: ChainEnd; entries: StoredEntry[] } {
  let last = end
  const entries = events.map((event) => {
    const personal: PrivatePart | null = event.personal && { salt: newSalt(), ...event.personal }
    const stored = next(last, event, at, personal && canonicalJson(personal))
    last = headOf(stored)
    return stored
  })
  return { end: last, entries }
}

function next(
  { writer, sequence, hash: previous }: ChainEnd,
  { event, by, address, tenant, revocation, details }: AuditEvent,
  at: number,
  personal: string | null,
): StoredEntry {
  const entry: Entry = {
    v: 1,
    writer,
    sequence: sequence + 1,
    previous,
    at,
    event,
    by,
    address,
    tenant,
    revocation,
    details,
    private: personal && sha256(personal),
  }
  const text = canonicalJson(entry)
  return { entry, text, private: personal, hash: sha256(text) }
}

export function headOf({ entry: { writer, sequence }, hash }: Pick<StoredEntry, 'entry' | 'hash'>): Head {
  return { writer, sequence, hash }
}

/** In hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
