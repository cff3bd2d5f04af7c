import { z } from 'zod'
import type { FailureCount, RevocationQuery } from '../revocation/store.ts'
import type { AuditDialect, Rows } from './audit-dialect.ts'
import { type Bind, bound } from './windows.ts'

/** Entries of the index that a count reads at most, which takes a few ms. */
const COUNTED = 10_000

/** As the index `revocations_failures` has it: by code and tenant. */
const FAILED = `status = 'failed' AND superseded_by IS NULL`

interface Dialect extends Pick<AuditDialect, 'parameter' | 'isIn' | 'list'> {
  /** The revocations in `FROM`, read by this index. */
  failures: string
}

const TenantCount = z.object({ tenant: z.string(), value: z.coerce.number() })
const CodeRow = z.object({ code: z.string() })

/** See `RevocationStore.countFailures`. */
export async function countFailures(
  { code, tenants }: Pick<RevocationQuery, 'tenants'> & { code: string },
  rows: Rows,
  dialect: Dialect,
): Promise<FailureCount> {
  const found = (bind: Bind) => {
    const within = tenants ? `AND ${dialect.isIn('tenant', bind(dialect.list(tenants)))}` : ''
    return `SELECT tenant FROM ${dialect.failures} WHERE ${FAILED} AND error_code = ${bind(code)} ${within}`
  }
  const counts = await bound(
    rows,
    dialect,
    (bind) => `SELECT tenant, count(*) AS value FROM (${found(bind)} LIMIT ${COUNTED}) AS f GROUP BY tenant`,
  )
  const more = await bound(rows, dialect, (bind) => `${found(bind)} LIMIT 1 OFFSET ${COUNTED}`)
  const pairs = counts
    .map((row) => TenantCount.parse(row))
    .map(({ tenant, value }) => [tenant, value] as const)
  return { byTenant: new Map(pairs), isExact: more.length === 0 }
}

/** See `RevocationStore.failureCodes`. Each is found by one lookup in the index. */
export async function failureCodes(rows: Rows, dialect: Dialect): Promise<string[]> {
  const codes: string[] = []
  for (;;) {
    const last = codes.at(-1) ?? ''
    const [next] = await bound(
      rows,
      dialect,
      (bind) =>
        `SELECT error_code AS code FROM ${dialect.failures}
         WHERE ${FAILED} AND error_code > ${bind(last)} ORDER BY error_code LIMIT 1`,
    )
    if (!next) return codes
    codes.push(CodeRow.parse(next).code)
  }
}
