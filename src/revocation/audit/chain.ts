import { hash as digest, type KeyObject } from 'node:crypto'
import { canonicalJson } from '../../base/canonical-json.ts'
import type { UserReference } from '../signal.ts'
import type { AuditEvent, Entry, Head, PrivatePart, StoredEntry } from './entry.ts'

/** An entry that was just appended. */
export interface NewEntry extends StoredEntry {
  entry: Entry
  /** The user that the private part names. */
  user: UserReference | null
}

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
): { end: ChainEnd; entries: NewEntry[] } {
  let last = end
  const entries = events.map((event) => {
    const personal: PrivatePart | null = event.personal && { salt: newSalt(), ...event.personal }
    const entry = next(last, event, at, personal && canonicalJson(personal))
    last = headOf(entry)
    return entry
  })
  return { end: last, entries }
}

function next(
  { writer, sequence, hash: previous }: ChainEnd,
  { event, by, address, tenant, revocation, details, personal }: AuditEvent,
  at: number,
  privateText: string | null,
): NewEntry {
  // In canonical order, which makes canonicalJson fast.
  const entry: Entry = {
    address,
    at,
    by,
    details,
    event,
    previous,
    private: privateText && sha256(privateText),
    revocation,
    sequence: sequence + 1,
    tenant,
    v: 1,
    writer,
  }
  const text = canonicalJson(entry)
  const place = { writer, sequence: entry.sequence }
  return { ...place, entry, text, private: privateText, hash: sha256(text), user: personal?.user ?? null }
}

export function headOf({ writer, sequence, hash }: StoredEntry): Head {
  return { writer, sequence, hash }
}

/** Identifies a public key: the SHA-256 of its SubjectPublicKeyInfo, in hex. */
export function digestOfKey(key: KeyObject): string {
  return digest('sha256', key.export({ type: 'spki', format: 'der' }))
}

/** In hex. */
export function sha256(text: string): string {
  return digest('sha256', text)
}
