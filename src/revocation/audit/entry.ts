import { z } from 'zod'
import { jsonOrUndefined } from '../../base/json-or-undefined.ts'
import type { Revocation } from '../revocation.ts'
import { UserReference } from '../signal.ts'

/** Everything that the audit trail records. docs/audit.md describes each event and its details. */
export const EVENTS = [
  'signal-accepted',
  'signal-joined',
  'request-rejected',
  'dry-run',
  'session-recorded',
  'session-deleted',
  'retried',
  'held',
  'released',
  'cancelled',
  'config-reloaded',
  'backup-made',
  'redelivered',
  'tokens-revoked',
  'attempt-failed',
  'revocation-ended',
  'revocation-verified',
  'revocation-unverified',
  'chain-started',
  'heads',
  'heads-signed',
  'entries-purged',
  'erased',
] as const
export const EventName = z.enum(EVENTS)
export type EventName = z.infer<typeof EventName>

/** The authenticated sender of a request, as entries name it. See `Origin`. */
export const By = z.object({
  kind: z.enum(['api-key', 'webhook', 'source']),
  name: z.string(),
  id: z.string(),
})
export type By = z.infer<typeof By>

const Digest = z.string().regex(/^[0-9a-f]{64}$/)

/** A JSON object without fractions, so that it has a canonical form. */
export const Details = z.record(z.string(), z.json())
export type Details = z.infer<typeof Details>

/** The last entry of a chain, or of a removed part of one. */
export const Head = z.object({ writer: z.string(), sequence: z.int().min(1), hash: Digest })
export type Head = z.infer<typeof Head>

/**
 * An entry of the audit trail, without personal data. Its hash is the SHA-256 of its canonical JSON (RFC 8785).
 * `EVENTS` may grow, so readers must accept unknown events.
 */
export const Entry = z.strictObject({
  /** Version of the format. */
  v: z.literal(1),
  /** Id of the chain, a random UUID. */
  writer: z.string(),
  /** Position in the chain: 1, 2, … */
  sequence: z.int().min(1),
  /** Hash of the previous entry of the chain; null for the first. */
  previous: Digest.nullable(),
  /** ms since the epoch. */
  at: z.int(),
  event: z.string(),
  /** Null if Curfew itself did it. */
  by: By.nullable(),
  /** The address of the client; null if there is none. */
  address: z.string().nullable(),
  tenant: z.string().nullable(),
  /** Id of the revocation. */
  revocation: z.string().nullable(),
  /** What happened, without personal data and secrets. */
  details: Details,
  /** SHA-256 of the canonical JSON of the private part; null if there is none. */
  private: Digest.nullable(),
})
export type Entry = z.infer<typeof Entry>

/**
 * The personal data of an entry, stored beside it. Erasure deletes it, and the chain stays valid. The random salt keeps
 * the digest in the entry from revealing a name that someone guesses.
 */
export const PrivatePart = z.object({
  /** 32 random bytes in hex. */
  salt: Digest,
  user: UserReference.optional(),
  /** The Qlik user ids that the name resolved to. */
  qlikUsers: z.array(z.string()).optional(),
  /** The identity provider's session id. */
  sid: z.string().optional(),
  /** As the sender names it: it may identify a person's device. */
  deviceType: z.string().optional(),
})
export type PrivatePart = z.infer<typeof PrivatePart>

/** The entry of a text; null if another program has damaged it. */
export function entryOf(text: string): Entry | null {
  return Entry.safeParse(jsonOrUndefined(text)).data ?? null
}

/** Something to record, before it has a place in a chain. */
export interface AuditEvent {
  event: EventName
  by: By | null
  address: string | null
  tenant: string | null
  revocation: string | null
  details: Details
  /** Without the salt. */
  personal: Omit<PrivatePart, 'salt'> | null
  /** The revocation as the change leaves it. Not recorded: for the notifications of receivers. */
  changed?: Revocation
}

/** Records events in the caller's transaction. `at`: ms since the epoch. */
export type NoteEvents = (events: readonly AuditEvent[], at: number) => void

/** A place in the order of the export. */
export type Position = Pick<Head, 'writer' | 'sequence'>

/** An entry as it is stored: the texts are what was hashed. Not parsed, because other programs may have changed them. */
export interface StoredEntry extends Position {
  /** The canonical JSON of the entry. */
  text: string
  /** The canonical JSON of the private part; null if there is none, or after its erasure. */
  private: string | null
  hash: string
}
