import { hash as digest } from 'node:crypto'
import { canonicalJson } from '../../base/canonical-json.ts'
import type { UserReference } from '../signal.ts'
import type { AuditEvent, Entry, Head, StoredEntry } from './entry.ts'

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

/** An event before it has a place in a chain. */
export interface Draft {
  event: AuditEvent
  /** ms since the epoch. */
  at: number
  /** The canonical JSON of the private part. */
  private: string | null
  /** What does not depend on the place: the beginning of the entry's canonical JSON, and its other members. */
  start: string
  digest: string | null
  revocation: string
  tenant: string
}

/**
 * Everything of an entry that can fail or be prepared before its place is known.
 * @param at ms since the epoch
 * @param newSalt returns 32 random bytes in hex
 * @throws TypeError if the event has no canonical form
 */
export function draft(event: AuditEvent, at: number, newSalt: () => string): Draft {
  const { address, by, details, personal, revocation, tenant } = event
  const privateText = personal && canonicalJson({ salt: newSalt(), ...personal })
  return {
    event,
    at,
    private: privateText,
    start: `{"address":${canonicalJson(address)},"at":${canonicalJson(at)},"by":${canonicalJson(by)},"details":${canonicalJson(details)},"event":"${event.event}"`,
    digest: privateText && sha256(privateText),
    revocation: canonicalJson(revocation),
    tenant: canonicalJson(tenant),
  }
}

/** Appends drafts to a chain: each entry contains the hash of the previous one. Pure. */
export function link(end: ChainEnd, drafts: readonly Draft[]): { end: ChainEnd; entries: NewEntry[] } {
  let last = end
  const entries = drafts.map((one) => {
    const entry = next(last, one)
    last = headOf(entry)
    return entry
  })
  return { end: last, entries }
}

/** Appends events to a chain. See `draft` and `link`. */
export function append(
  end: ChainEnd,
  events: readonly AuditEvent[],
  at: number,
  newSalt: () => string,
): { end: ChainEnd; entries: NewEntry[] } {
  return link(
    end,
    events.map((event) => draft(event, at, newSalt)),
  )
}

function next({ writer, sequence: last, hash: previous }: ChainEnd, drafted: Draft): NewEntry {
  const { at, digest, private: privateText } = drafted
  const { event, by, address, tenant, revocation, details, personal } = drafted.event
  const sequence = last + 1
  // Written member by member, because the parts are canonical: that is faster than canonicalJson.
  const text =
    `${drafted.start},"previous":${quoted(previous)},"private":${quoted(digest)},"revocation":${drafted.revocation},` +
    `"sequence":${sequence},"tenant":${drafted.tenant},"v":1,"writer":"${writer}"}`
  const entry: Entry = {
    ...{ v: 1, writer, sequence, previous, at, event },
    ...{ by, address, tenant, revocation, details, private: digest },
  }
  const user = personal?.user ?? null
  return { writer, sequence, entry, text, private: privateText, hash: sha256(text), user }
}

/** Of a digest, in which nothing needs an escape. */
const quoted = (digest: string | null) => (digest === null ? 'null' : `"${digest}"`)

export function headOf({ writer, sequence, hash }: StoredEntry): Head {
  return { writer, sequence, hash }
}

/** In hex. */
export function sha256(text: string): string {
  return digest('sha256', text)
}
