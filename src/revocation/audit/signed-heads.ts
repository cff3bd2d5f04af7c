import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '../../base/canonical-json.ts'
import { publicKeyDigest } from '../../base/public-key-digest.ts'
import type { AuditReading, ChainSpan } from './audit-log.ts'
import { type AuditEvent, Head } from './entry.ts'
import { operatorEvent } from './events.ts'
import { exportedLine, readLine } from './exported-line.ts'

/** A signature names the entries that expire within this time: before the next one, even if that is a day late. */
export const ANNOUNCED_DAYS = 2

/** What a signature states about the trail. */
export const SignedHeads = z.object({
  /** UTC, as YYYY-MM-DD. */
  day: z.iso.date(),
  /** The last entry of each chain. */
  heads: z.array(Head),
  /** The last entry of each chain that retention may delete before the next signature. See `DeletableEntries`. */
  deletable: z.array(Head.omit({ hash: true })),
  /** AUDIT_RETENTION_DAYS. */
  retentionDays: z.int().min(1),
})
export type SignedHeads = z.infer<typeof SignedHeads>

const Signed = SignedHeads.extend({ key: z.string(), signature: z.string() })

/** The last entry of each chain. */
export async function readHeads(
  audit: Pick<AuditReading, 'page'>,
  spans: readonly ChainSpan[],
): Promise<Head[]> {
  const heads: Head[] = []
  for (const { writer, last } of spans) {
    const [entry] = await audit.page({ writer, sequence: last - 1 }, 1)
    if (entry?.writer === writer) heads.push({ writer, sequence: entry.sequence, hash: entry.hash })
  }
  return heads
}

/** An entry with a statement, signed with Ed25519 (RFC 8032). */
export function headsSigned(statement: SignedHeads, key: KeyObject): AuditEvent {
  const signature = sign(null, Buffer.from(canonicalJson(statement)), key).toString('base64url')
  return operatorEvent('heads-signed', {
    ...statement,
    key: publicKeyDigest(createPublicKey(key)),
    signature,
  })
}

/** Verifies the details of entries `heads-signed` with public keys. */
export class SignatureCheck {
  readonly #keys: ReadonlyMap<string, KeyObject>

  /** @param keys the keys of several periods, if the key was rotated */
  constructor(keys: readonly KeyObject[]) {
    this.#keys = new Map(keys.map((key) => [publicKeyDigest(key), key]))
  }

  /** The signed statement, or why it is not accepted. */
  read(details: Record<string, unknown>): SignedHeads | 'signature-invalid' | 'key-unknown' {
    const { success, data } = Signed.safeParse(details)
    if (!success) return 'signature-invalid'
    const { key, signature, ...statement } = data
    const publicKey = this.#keys.get(key)
    if (!publicKey) return 'key-unknown'
    const text = Buffer.from(canonicalJson(statement))
    const isValid = verify(null, text, publicKey, Buffer.from(signature, 'base64url'))
    return isValid ? statement : 'signature-invalid'
  }
}

export interface SignatureSearch {
  /** The public key of the signature. */
  key: KeyObject
  day: string
  retentionDays: number
  /** ms since the epoch. */
  from: number
}

/** Whether one of the newest entries is a valid signature. It may miss one: a further signature does no harm. */
export async function hasSignature(
  audit: Pick<AuditReading, 'list'>,
  { key, day, retentionDays, from }: SignatureSearch,
): Promise<boolean> {
  const check = new SignatureCheck([key])
  const { items } = await audit.list({ event: 'heads-signed', from, limit: 20 })
  return items.some((item) => {
    const line = readLine(Buffer.from(exportedLine(item).trimEnd()))
    if (typeof line === 'string' || line.computed.hash !== line.hash) return false
    const statement = check.read(line.entry.details)
    return typeof statement !== 'string' && statement.day === day && statement.retentionDays === retentionDays
  })
}
