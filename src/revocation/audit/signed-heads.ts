import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { canonicalJson } from '../../base/canonical-json.ts'
import type { AuditReading } from './audit-log.ts'
import { digestOfKey } from './chain.ts'
import type { AuditEvent, Details, Head } from './entry.ts'
import { operatorEvent } from './events.ts'
import { headsIn } from './exported-line.ts'

/** The last entry of each chain. */
export async function readHeads(audit: Pick<AuditReading, 'spans' | 'page'>): Promise<Head[]> {
  const heads: Head[] = []
  for (const { writer, last } of await audit.spans()) {
    const [entry] = await audit.page({ writer, sequence: last - 1 }, 1)
    if (entry?.writer === writer) heads.push({ writer, sequence: entry.sequence, hash: entry.hash })
  }
  return heads
}

/**
 * The heads of all chains, signed with Ed25519 (RFC 8032). Those who can write to the database, but do not have the key, cannot
 * change earlier entries unnoticed.
 * @param day UTC, as YYYY-MM-DD
 */
export function headsSigned(heads: readonly Head[], day: string, key: KeyObject): AuditEvent {
  const signed = { day, heads: [...heads] }
  const signature = sign(null, Buffer.from(canonicalJson(signed)), key).toString('base64url')
  return operatorEvent('heads-signed', { ...signed, key: digestOfKey(createPublicKey(key)), signature })
}

/** Verifies the entries `heads-signed` of an export. */
export class SignatureCheck {
  readonly #key: KeyObject | null
  /** The latest day with a valid signature; null if there is none. */
  lastDay: string | null = null

  /** @param key the public key; null to verify nothing */
  constructor(key: KeyObject | null) {
    this.#key = key
  }

  /** Whether the export lacks a valid signature that it should have. */
  get isUnsigned(): boolean {
    return this.#key !== null && this.lastDay === null
  }

  accepts(event: string, details: Record<string, unknown>): boolean {
    if (event !== 'heads-signed' || this.#key === null) return true
    const day = signedDay(details, this.#key)
    if (day === null) return false
    if (this.lastDay === null || day > this.lastDay) this.lastDay = day
    return true
  }
}

/** The day of a valid signature, otherwise null. */
function signedDay({ day, heads, signature }: Record<string, unknown>, key: KeyObject): string | null {
  if (typeof day !== 'string' || typeof signature !== 'string' || !Array.isArray(heads)) return null
  if (headsIn(heads).length !== heads.length) return null
  const signed: Details = { day, heads }
  return verify(null, Buffer.from(canonicalJson(signed)), key, Buffer.from(signature, 'base64url'))
    ? day
    : null
}
