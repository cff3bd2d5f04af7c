import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { listAudit } from '../../src/stores/audit-list.ts'
import { COLUMNS, toValues } from '../../src/stores/rows.ts'
import { SQLITE_AUDIT, SQLITE_VERIFIED } from '../../src/stores/sqlite/audit-reading.ts'
import { MIGRATIONS } from '../../src/stores/sqlite/migrations.ts'
import { readVerified } from '../../src/stores/verified.ts'
import { PROOF } from '../conformance/stores.ts'
import { aSignal, T0 } from '../support/signals.ts'

/** Revocations that were verified one ms after the other, or all at the same time, and the plans of the statements that read them. */
function setUp(count: number, afterMs = 1) {
  const database = new DatabaseSync(':memory:')
  t.teardown(() => database.close())
  for (const step of MIGRATIONS) database.exec(step)
  const insert = database.prepare(
    `INSERT INTO revocations (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  )
  for (let index = 0; index < count; index += 1) {
    const one: Revocation = {
      ...newRevocation(`id-${index}`, aSignal({ userId: `u${index}` })),
      ...{ status: 'completed', outcome: 'revoked', verified: true, verificationDueAt: null },
      ...{ proof: { ...PROOF, at: T0 + index * afterMs }, completedAt: T0 },
    }
    insert.run(...toValues(one))
  }
  const plans: string[] = []
  const rows = async (text: string, values: unknown[]) => {
    const given = values as (string | number)[]
    for (const { detail } of database.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...given))
      plans.push(String(detail))
    return database.prepare(text).all(...given)
  }
  return { rows, plans }
}

t.test('many revocations are counted in parts, each by the index', async (t) => {
  const { rows, plans } = setUp(7_501)
  let from: number | null = T0
  const parts: number[] = []
  while (from !== null) {
    const range = { from, to: T0 + 86_400_000, tenants: ['default'] }
    const { counts, next } = await readVerified(range, rows, SQLITE_VERIFIED)
    parts.push(counts.reduce((sum, { count }) => sum + count, 0))
    from = next
  }
  t.same(parts, [2_500, 2_500, 2_500, 1])
  const ofTable = plans.filter((plan) => plan.includes('revocations'))
  t.ok(ofTable.length > 0)
  for (const plan of ofTable) t.match(plan, /USING (COVERING )?INDEX revocations_verified/)
})

t.test('more revocations than a part within one ms are counted at once', async (t) => {
  const { rows } = setUp(2_502, 0)
  const range = { from: T0, to: T0 + 86_400_000 }
  const { counts, next } = await readVerified(range, rows, SQLITE_VERIFIED)
  t.match(counts, [{ count: 2_502 }])
  t.equal(next, T0 + 1)
})

t.test('rejections are found by an index of their own', async (t) => {
  const { rows, plans } = setUp(0)
  await listAudit({ event: 'request-rejected', from: T0, limit: 10 }, rows, SQLITE_AUDIT)
  for (const plan of plans) t.match(plan, /USING INDEX audit_entries_rejected|TEMP B-TREE/)
  t.ok(plans.length > 0)
})
