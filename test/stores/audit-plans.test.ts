import type { SQLInputValue } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { AuditQuery } from '../../src/revocation/audit/audit-log.ts'
import type { AuditDialect, Rows } from '../../src/stores/audit-dialect.ts'
import { listAudit } from '../../src/stores/audit-list.ts'
import { spansStatement } from '../../src/stores/audit-spans.ts'
import { ErasureSearch } from '../../src/stores/erasure-search.ts'
import { POSTGRES_AUDIT } from '../../src/stores/postgres/audit-reading.ts'
import { SQLITE_AUDIT } from '../../src/stores/sqlite/audit-reading.ts'
import { postgresTables, sqliteTables } from './audit-tables.ts'

interface Planner {
  dialect: AuditDialect
  /** The plan of a statement, as one text. */
  plan: (text: string, values: unknown[]) => Promise<string>
  /** A part of a plan that reads a whole table. */
  whole: RegExp
}

const STORES: Record<string, (t: Test) => Promise<Planner>> = {
  async sqlite(t) {
    const { database } = sqliteTables(t)
    return {
      dialect: SQLITE_AUDIT,
      plan: async (text, values) => {
        const rows = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...(values as SQLInputValue[]))
        return rows.map(({ detail }) => detail).join('\n')
      },
      whole: /SCAN (audit_entries|e|revocations)\b(?! USING)/,
    }
  },
  async postgres(t) {
    const { database } = await postgresTables(t)
    return {
      dialect: POSTGRES_AUDIT,
      plan: (text, values) =>
        database.transaction(async (query) => {
          // The tables are empty, so the planner would prefer to read them.
          await query('SET LOCAL enable_seqscan = off')
          const rows = await query(`EXPLAIN ${text}`, values)
          return rows.map((row) => row['QUERY PLAN']).join('\n')
        }),
      whole: /Seq Scan on (audit_entries|revocations)/,
    }
  },
}

const WRITER = 'aaaaaaaa-0000-4000-8000-000000000000'
const USER = { kind: 'email', value: 'ann@example.com' } as const
const CURSOR = `1780000000000_${WRITER}_7`
const QUERIES: [Omit<AuditQuery, 'limit'>, index: string][] = [
  [{}, 'audit_entries_at'],
  [{ cursor: CURSOR }, 'audit_entries_at'],
  [{ from: 1, to: 2 }, 'audit_entries_at'],
  [{ event: 'erased' }, 'audit_entries_at'],
  [{ tenants: ['emea'], cursor: CURSOR }, 'audit_entries_at'],
  [{ sender: 'crm' }, 'audit_entries_sender'],
  [{ sender: 'crm', event: 'erased', cursor: CURSOR }, 'audit_entries_sender'],
  [{ user: USER }, 'audit_entries_user'],
  [{ user: USER, tenants: ['emea'], from: 1 }, 'audit_entries_user'],
  [{ revocation: WRITER }, 'audit_entries_revocation'],
]

for (const [name, open] of Object.entries(STORES)) {
  t.test(name, async (t) => {
    const { dialect, plan, whole } = await open(t)

    /** The plans of the statements that `use` runs. */
    async function plansOf(use: (rows: Rows) => Promise<unknown>): Promise<string[]> {
      const plans: string[] = []
      await use(async (text, values) => {
        plans.push(await plan(text, values))
        return []
      })
      return plans
    }

    t.test('each listing uses the index of its condition', async (t) => {
      for (const [query, index] of QUERIES) {
        const plans = await plansOf((rows) => listAudit({ ...query, limit: 10 }, rows, dialect))
        t.ok(plans.length > 0)
        for (const one of plans) {
          t.match(one, index, JSON.stringify(query))
          t.notMatch(one, whole, JSON.stringify(query))
        }
      }
    })

    t.test('the chains are found in the primary key', async (t) => {
      t.notMatch(await plan(spansStatement(dialect), []), whole)
    })

    t.test(
      'an erasure finds what names the user by indexes, and scans in the order of the primary key',
      async (t) => {
        const drain = async (some: AsyncIterable<unknown>) => {
          for await (const _ of some);
        }
        const plans = await plansOf(async (rows) => {
          const search = new ErasureSearch('default', rows, dialect)
          await drain(search.resolutions(USER))
          await drain(search.resolutions({ ...USER, kind: 'userId' }))
          await drain(search.similar([USER], ['u1']))
          await search.countPending([USER])
        })
        t.ok(plans.length > 5)
        for (const one of plans) t.notMatch(one, whole)
      },
    )
  })
}
