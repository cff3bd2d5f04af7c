import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { Rows } from '../../src/stores/audit-dialect.ts'
import { countFailures, failureCodes } from '../../src/stores/failure-reading.ts'
import { COLUMNS } from '../../src/stores/rows.ts'
import { SQLITE_FAILURES } from '../../src/stores/sqlite/statements.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { accept, aFailure, claim, FAILURE } from '../conformance/stores.ts'
import { fakeClock } from '../support/clock.ts'
import { temporaryFolder } from '../support/service.ts'
import { T0 } from '../support/signals.ts'

t.test('a count reads a limited number of entries of an index, and no rows', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const store = openSqliteStore(path, fakeClock(T0))
  const { id } = await accept(store)
  await claim(store)
  await store.end(id, aFailure())
  await store.close()

  const database = new DatabaseSync(path)
  t.teardown(() => database.close())
  const others = COLUMNS.filter((name) => name !== 'id').join(', ')
  const copy = (count: number) =>
    database.exec(`INSERT INTO revocations (id, ${others})
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      SELECT lower(hex(randomblob(16))), ${others} FROM n, revocations WHERE revocations.id = '${id}'`)
  const plans: unknown[] = []
  const rows: Rows = async (text, values) => {
    const bound = values.map(String)
    plans.push(
      ...database
        .prepare(`EXPLAIN QUERY PLAN ${text}`)
        .all(...bound)
        .map(({ detail }) => detail),
    )
    return database.prepare(text).all(...bound)
  }
  const count = (tenants?: string[]) => countFailures({ code: FAILURE.code, tenants }, rows, SQLITE_FAILURES)

  copy(9_999)
  t.same(await count(), { byTenant: new Map([['default', 10_000]]), isExact: true })
  copy(1)
  t.same(await count(), { byTenant: new Map([['default', 10_000]]), isExact: false })
  t.same(await count(['other']), { byTenant: new Map(), isExact: true })
  t.same(await failureCodes(rows, SQLITE_FAILURES), [FAILURE.code])
  const reads = plans.filter((detail) => /^(SEARCH|SCAN) revocations/.test(String(detail)))
  t.ok(reads.length >= 8)
  for (const detail of reads) t.match(detail, 'USING COVERING INDEX revocations_failures')
})
