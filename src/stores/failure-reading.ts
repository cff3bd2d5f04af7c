import { z } from 'zod'
import type { FailureCount, RevocationQuery } from '../revocation/store.ts'
import type { Rows } from './audit-dialect.ts'
import { type SearchDialect, searchParts } from './search.ts'

const TenantCount = z.object({ tenant: z.string(), value: z.coerce.number() })
const CodeRow = z.object({ code: z.string() })

/** See `RevocationStore.countFailures`. */
export async function countFailures(
  { code, tenants }: Pick<RevocationQuery, 'code' | 'tenants'>,
  rows: Rows,
  dialect: SearchDialect,
): Promise<FailureCount> {
  const byTenant = new Map<string, number>()
  let isExact = true
  const query = { status: 'failed', superseded: false, code, tenants, limit: 1 } as const
  for (const { countByTenant, end } of searchParts(query, dialect)) {
    for (const row of await rows(countByTenant.text, countByTenant.values)) {
      const { tenant, value } = TenantCount.parse(row)
      byTenant.set(tenant, (byTenant.get(tenant) ?? 0) + value)
    }
    if ((await rows(end.text, end.values)).length > 0) isExact = false
  }
  return { byTenant, isExact }
}

/** See `RevocationStore.errorCodes`. Each is found by one lookup in the index by code. */
export async function errorCodes(
  rows: Rows,
  { table, parameter }: Pick<SearchDialect, 'table' | 'parameter'>,
): Promise<string[]> {
  const codes: string[] = []
  for (;;) {
    const [next] = await rows(
      `SELECT error_code AS code FROM ${table('revocations')} WHERE error_code > ${parameter(1)} ORDER BY error_code LIMIT 1`,
      [codes.at(-1) ?? ''],
    )
    if (!next) return codes
    codes.push(CodeRow.parse(next).code)
  }
}
