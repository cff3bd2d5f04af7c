import { z } from 'zod'
import type { NewEntry } from '../revocation/audit/chain.ts'
import type { Head, StoredEntry } from '../revocation/audit/entry.ts'

/** The columns of `audit_entries`, in both stores. */
export const AUDIT_COLUMNS = [
  'writer',
  'sequence',
  'at',
  'event',
  'sender',
  'tenant',
  'revocation_id',
  'user_kind',
  'user_value',
  'entry',
  'private',
  'hash',
] as const

/** The values of a row, in the order of `AUDIT_COLUMNS`. */
export function toAuditValues({
  entry,
  text,
  private: personal,
  hash,
  user,
}: NewEntry): (string | number | null)[] {
  const { writer, sequence, at, event, by, tenant, revocation } = entry
  const { kind = null, value = null } = user ?? {}
  return [
    writer,
    sequence,
    at,
    event,
    by?.name ?? null,
    tenant,
    revocation,
    kind,
    value,
    text,
    personal,
    hash,
  ]
}

const StoredRow = z.object({
  writer: z.string(),
  sequence: z.number(),
  entry: z.string(),
  private: z.string().nullable(),
  hash: z.string(),
})

export function toStoredEntry(row: unknown): StoredEntry {
  const { entry: text, ...rest } = StoredRow.parse(row)
  return { text, ...rest }
}

/** The first rows of a chain, up to the first one that must be kept. Times can be out of order, if the clock was set back. */
export function expiredPrefix<Row extends Record<string, unknown>>(
  rows: readonly Row[],
  before: number,
): Row[] {
  const firstKept = rows.findIndex(({ at }) => Number(at) >= before)
  return firstKept === -1 ? [...rows] : rows.slice(0, firstKept)
}

/** A row of `audit_chains`. Not validated: an entry that lists a changed head is evidence of the change. */
export function toHead({ writer, sequence, hash }: Record<string, unknown>): Head {
  return { writer: String(writer), sequence: Number(sequence), hash: String(hash) }
}
