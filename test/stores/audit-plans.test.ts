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
  /** A part of a plan that sorts all rows; not one that sorts only rows of the same time. */
  sort: RegExp
}

const WRITER = 'aaaaaaaa-0000-4000-8000-000000000000'
const USER = { kind: 'email', value: 'ann@example.com' } as const

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
      sort: /TEMP B-TREE FOR ORDER BY/,
    }
  },
  async postgres(t) {
    const { database } = await postgresTables(t)
    // Entries that the planner would seek from the end of audit_entries_at: frequent, but all of them old.
    await database.query(
      `INSERT INTO curfew.audit_entries
         (writer, sequence, at, event, sender, tenant, user_kind, user_value, revocation_id, entry, private, hash)
       SELECT $1::uuid, i, i, 'signal-accepted', CASE WHEN i <= 20000 THEN 'crm' ELSE 'backend' END, 'emea', 'email',
         CASE WHEN i <= 20000 THEN $2 ELSE i::text END, CASE WHEN i <= 20000 THEN $1::uuid END, '{}', '{}', ''
       FROM generate_series(1::bigint, 40000) AS i`,
      [WRITER, USER.value],
    )
    await database.query('ANALYZE curfew.audit_entries', [])
    return {
      dialect: POSTGRES_AUDIT,
      plan: (text, values) =>
        database.transaction(async (query) => {
          // The tables are small, so the planner would prefer to read them.
          await query('SET LOCAL enable_seqscan = off')
          const rows = await query(`EXPLAIN ${text}`, values)
          return rows.map((row) => row['QUERY PLAN']).join('\n')
        }),
      whole: /Seq Scan on (audit_entries|revocations)/,
      sort: /(?<!Incremental )Sort {2}/,
    }
  },
}

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
    const { dialect, plan, whole, sort } = await open(t)

    /** The plans of the statements that `use` runs. */
    async function plansOf(use: (rows: Rows) => Promise<unknown>): Promise<string[]> {
      const plans: string[] = []
      await use(async (text, values) => {
        plans.push(await plan(text, values))
        // A part of the index by user, if the statement asks for the parts.
        return text.includes('AS newest') ? [{ part: 0, newest: 1_780_000_000_000 }] : []
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

    t.test('a page of the entries of a user, sender or revocation is read in order', async (t) => {
      const cases: [Omit<AuditQuery, 'limit'>, index: string][] = [
        [{ user: USER }, 'audit_entries_user'],
        [{ user: USER, from: 1, cursor: CURSOR }, 'audit_entries_user'],
        [{ sender: 'crm' }, 'audit_entries_sender'],
        [{ revocation: WRITER }, 'audit_entries_revocation'],
        [{ revocation: WRITER, from: 1, cursor: CURSOR }, 'audit_entries_revocation'],
      ]
      for (const [query, index] of cases) {
        const plans = await plansOf((rows) => listAudit({ ...query, limit: 10 }, rows, dialect))
        t.equal(plans.length, 'user' in query && dialect.userPart !== null ? 2 : 1)
        for (const one of plans) {
          t.match(one, index)
          t.notMatch(one, sort)
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
          const search = new ErasureSearch('emea', rows, dialect)
          await drain(search.resolutions(USER))
          await drain(search.resolutions({ ...USER, kind: 'userId' }))
          await drain(search.similar([USER], ['u1']))
          await search.countPending([USER])
        })
        t.ok(plans.length > 5)
        for (const one of plans) t.notMatch(one, whole)
        const ofUser = plans.filter((one) => one.includes('audit_entries_user'))
        t.equal(ofUser.length, dialect.userPart === null ? 2 : 4)
        for (const one of ofUser) t.notMatch(one, sort, 'page after page, however many there are')
      },
    )
  })
}
