import { z } from 'zod'
import type { ChainSpan } from '../revocation/audit/audit-log.ts'
import type { AuditDialect } from './audit-dialect.ts'

const Span = z.object({ writer: z.string(), first: z.number(), last: z.number() })

/** Selects the first and last entry of each chain: some lookups in the primary key per chain. */
export function spansStatement({ table }: Pick<AuditDialect, 'table'>): string {
  const entries = table('audit_entries')
  const lowest = (condition: string) => `(SELECT writer FROM ${entries} ${condition} ORDER BY writer LIMIT 1)`
  const end = (direction: string) =>
    `(SELECT sequence FROM ${entries} AS e WHERE e.writer = w.writer ORDER BY sequence ${direction} LIMIT 1)`
  return `WITH RECURSIVE w (writer) AS (
      SELECT ${lowest('')}
      UNION ALL SELECT ${lowest(`AS e WHERE e.writer > w.writer`)} FROM w WHERE w.writer IS NOT NULL)
    SELECT writer, ${end('')} AS first, ${end('DESC')} AS last FROM w WHERE writer IS NOT NULL ORDER BY writer`
}

export const toSpan = (row: unknown): ChainSpan => Span.parse(row)
