import { generateKeyPairSync } from 'node:crypto'
import type { AuditEvent, Head, Position } from '../../src/revocation/audit/entry.ts'
import { headsSigned } from '../../src/revocation/audit/signed-heads.ts'

/** The key pair of a test file. */
export const KEYS = generateKeyPairSync('ed25519')
export const SIGNING_KEY = String(KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }))

/** The entry that Curfew writes on a day of November 2026. */
export function signedOn(
  day: number,
  heads: readonly Head[],
  deletable: readonly Position[] = [],
  { key = KEYS.privateKey, retentionDays = 365 } = {},
): AuditEvent {
  const date = `2026-11-${String(day).padStart(2, '0')}`
  const positions = deletable.map(({ writer, sequence }) => ({ writer, sequence }))
  return headsSigned({ day: date, heads: [...heads], deletable: positions, retentionDays }, key)
}
