import { z } from 'zod'
import type { UserReference } from '../revocation/signal.ts'
import type { AuditDialect, Rows } from './audit-dialect.ts'
import { bound } from './windows.ts'

/** A part of the index by user that has entries of the user. */
export interface Part {
  /** Null if the index is not divided. */
  part: number | null
  /** The time of the user's newest entry in the part, ms since the epoch. */
  newest: number
}

const PartRow = z.object({ part: z.number(), newest: z.number() })

/**
 * The parts of the index by user that have entries of a user, newest first: one lookup per part.
 * @param until ms since the epoch; later entries do not count
 */
export async function partsOf(
  { kind, value }: UserReference,
  until: number,
  rows: Rows,
  dialect: AuditDialect,
): Promise<Part[]> {
  const { userPart, table } = dialect
  if (userPart === null) return [{ part: null, newest: Number.MAX_SAFE_INTEGER }]
  const entries = table('audit_entries')
  const end = (of: 'min' | 'max') =>
    `(SELECT ${of}(${userPart}) FROM ${entries} WHERE user_value IS NOT NULL)`
  const found = await bound(
    rows,
    dialect,
    (bind) => `WITH RECURSIVE parts (part) AS (
        SELECT ${end('min')} UNION ALL SELECT part + 1 FROM parts WHERE part < ${end('max')})
      SELECT * FROM (
        SELECT part, (SELECT max(at) FROM ${entries} WHERE ${userPart} = part AND user_value = ${bind(value)}
          AND user_kind = ${bind(kind)} AND at <= ${bind(until)}) AS newest
        FROM parts)
      WHERE newest IS NOT NULL`,
  )
  return found.map((row) => PartRow.parse(row)).sort((one, other) => other.newest - one.newest)
}
