import type { AuditReading } from '../../revocation/audit/audit-log.ts'
import type { AuditDialect } from '../audit-dialect.ts'
import { listAudit } from '../audit-list.ts'
import { toStoredEntry } from '../audit-row.ts'
import { spansStatement, toSpan } from '../audit-spans.ts'
import type { Query } from './database.ts'

export const POSTGRES_AUDIT: AuditDialect = {
  table: (name) => `curfew.${name}`,
  parameter: (n) => `$${n}`,
  isIn: (column, parameter) => `${column} = ANY (${parameter})`,
  list: (values) => values,
  lower: (expression) => `lower(${expression} COLLATE "C")`,
  containsAny: (text, parameter) =>
    `EXISTS (SELECT FROM unnest(${parameter}::text[]) AS wanted WHERE strpos(${text}, wanted) > 0)`,
  timeInIndex: '(at + 0)',
  records: (parameter, columns) => {
    const names = Object.entries(columns).map(([name, type]) => `${name} ${type}`)
    return `json_to_recordset(${parameter}) AS records (${names.join(', ')})`
  },
  userPart: null,
}

/** Reads the audit trail. */
export function postgresAuditReading(query: Query): AuditReading {
  return {
    list: (wanted) => listAudit(wanted, query, POSTGRES_AUDIT),
    spans: async () => (await query(spansStatement(POSTGRES_AUDIT))).map(toSpan),
    async page(after, limit) {
      const [where, values] = after
        ? ['WHERE (writer, sequence) > ($2, $3)', [after.writer, after.sequence]]
        : ['', []]
      const found = await query(
        `SELECT writer, sequence, entry, private, hash FROM curfew.audit_entries ${where}
         ORDER BY writer, sequence LIMIT $1`,
        [limit, ...values],
      )
      return found.map(toStoredEntry)
    },
  }
}
