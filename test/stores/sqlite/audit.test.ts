import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { canonicalJson } from '../../../src/base/canonical-json.ts'
import type { AuditQuery } from '../../../src/revocation/audit/audit-log.ts'
import { exportAudit } from '../../../src/revocation/audit/export.ts'
import { AUDIT_COLUMNS, toAuditValues } from '../../../src/stores/audit-row.ts'
import { sqliteAuditReading, sqliteRows } from '../../../src/stores/sqlite/audit-reading.ts'
import { MIGRATIONS } from '../../../src/stores/sqlite/migrations.ts'
import { openSqliteStore, type SqliteStore } from '../../../src/stores/sqlite/store.ts'
import { entriesOf } from '../../support/audit.ts'
import { anEvent, Trail, verifyLines } from '../../support/audit-export.ts'
import { temporaryFolder } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { sqliteTables } from '../audit-tables.ts'

const ANN = { kind: 'email', value: 'ann@example.com' } as const
const [WRITER, OTHER] = [
  'aaaaaaaa-0000-4000-8000-000000000000',
  'bbbbbbbb-0000-4000-8000-000000000000',
] as const
/** The number of schema steps before the index by user was divided. */
const STEPS_BEFORE = 12

async function exported({ audit }: SqliteStore): Promise<Buffer> {
  let text = ''
  for await (const lines of exportAudit(audit)) text += lines
  return Buffer.from(text)
}

/** A trail in which every 500th entry names Ann, and some name no one. */
function longTrail(): Trail {
  const trail = new Trail()
  trail.list(WRITER, [])
  for (let index = 0; index < 2_000; index += 1) {
    const user = index % 500 === 0 ? ANN : { ...ANN, value: `user${index}` }
    trail.add(WRITER, anEvent({ personal: index % 3 === 1 ? null : { user } }))
  }
  return trail
}

t.test('the trail of an earlier schema is kept, and users are found in each part of it', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const file = new DatabaseSync(path)
  for (const step of MIGRATIONS.slice(0, STEPS_BEFORE)) file.exec(step)
  file.exec(`PRAGMA user_version = ${STEPS_BEFORE}`)
  const trail = longTrail()
  const insert = file.prepare(
    `INSERT INTO audit_entries (${AUDIT_COLUMNS}) VALUES (${AUDIT_COLUMNS.map(() => '?')})`,
  )
  for (const entry of trail.entries) insert.run(...toAuditValues(entry))
  const end = trail.entries.at(-1)
  if (!end) throw new Error('expected entries')
  file
    .prepare('INSERT INTO audit_chains (writer, sequence, hash) VALUES (?, ?, ?)')
    .run(WRITER, end.sequence, end.hash)
  file.close()

  const store = openSqliteStore(path)
  t.teardown(() => store.close())
  await store.audit.record([anEvent({ personal: { user: ANN } })], T0)
  const lines = await exported(store)
  t.match(await verifyLines(lines), { findings: 0, entries: trail.entries.length + 2, chains: { length: 2 } })
  const { items } = await store.audit.list({ user: ANN, limit: 100 })
  const found = items.filter(({ writer }) => writer === WRITER).map(({ sequence }) => sequence)
  t.same(found, [1_502, 502, 2])
  t.equal(items.length, found.length + 1)
  t.equal((await store.audit.erase({ tenant: 'default', user: ANN }, T0)).entries, items.length)
  t.same((await store.audit.list({ user: ANN, limit: 100 })).items, [])
})

t.test('pages of the entries of a user are in order across the parts of the index', async (t) => {
  const { database, insert } = sqliteTables(t)
  const reading = sqliteAuditReading(sqliteRows(database, async (work) => work()))
  const trail = new Trail()
  for (let index = 0; index < 5_000; index += 1) {
    const personal = { user: index % 3 === 0 ? ANN : { ...ANN, value: `user${index}` } }
    trail.add(
      index % 2 === 0 ? WRITER : OTHER,
      anEvent({ personal, revocation: index % 2 === 0 ? 'r' : null }),
    )
  }
  // As after the clock was set back: the newest part and the first one have the oldest time in common.
  const entries = trail.entries.map((one, index) => {
    const at = index < 60 || index >= 4_900 ? 5 : Math.floor(one.entry.at / 4)
    return { ...one, entry: { ...one.entry, at } }
  })
  await insert(entries)
  const nameOf = (one: { writer: string; sequence: number }) => `${one.writer} ${one.sequence}`
  const expected = entries
    .filter(({ user }) => user === ANN)
    .sort((one, other) =>
      one.entry.at === other.entry.at
        ? one.writer.localeCompare(other.writer) || one.sequence - other.sequence
        : one.entry.at - other.entry.at,
    )
    .reverse()
  const listed = async (filter: Omit<AuditQuery, 'limit'>, limit: number) => {
    const found: string[] = []
    for (let cursor: string | undefined; ; ) {
      const { items, nextCursor } = await reading.list({ ...filter, user: ANN, limit, cursor })
      found.push(...items.map(nameOf))
      if (nextCursor === null) return found
      cursor = nextCursor
    }
  }
  for (const limit of [1, 7, 1_000]) t.same(await listed({}, limit), expected.map(nameOf), `limit ${limit}`)
  const [from, to] = [expected[1_200]?.entry.at ?? 0, expected[300]?.entry.at ?? 0]
  const inTime = expected.filter(({ entry }) => entry.at >= from && entry.at < to)
  t.same(await listed({ from, to }, 50), inTime.map(nameOf))
  const ofRevocation = expected.filter(({ entry }) => entry.revocation === 'r')
  t.same(await listed({ revocation: 'r' }, 50), ofRevocation.map(nameOf))
})

t.test('an event without a canonical form fails alone, and leaves no gap in the chain', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => store.close())
  const results = await Promise.allSettled([
    store.accept([aSignal({ userId: 'u1' })], null, T0),
    store.audit.record([anEvent(), anEvent({ details: { code: '\ud800' } })], T0),
    store.accept([aSignal({ userId: 'u2' })], null, T0),
  ])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.same(
    (await entriesOf(store)).map(({ sequence, personal }) => [sequence, personal?.user?.value]),
    [
      [2, 'u1'],
      [3, 'u2'],
    ],
  )
  t.match(await verifyLines(await exported(store)), { findings: 0, entries: 3 })
})

t.test('signals that are accepted with a rejected one are stored and recorded once', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => store.close())
  const accept = (userId: string, key: string, fingerprint: string) =>
    store.accept([aSignal({ userId })], { key, fingerprint }, T0)
  await accept('u0', 'k0', 'f')
  const results = await Promise.allSettled([
    accept('u1', 'k1', 'f'),
    accept('u2', 'k0', 'g'),
    accept('u3', 'k3', 'f'),
  ])
  t.match(results, [{ status: 'fulfilled' }, { status: 'rejected' }, { status: 'fulfilled' }])
  t.same((await store.list({ limit: 10 })).items.map(({ user }) => user.value).sort(), ['u0', 'u1', 'u3'])
  t.same(
    (await entriesOf(store)).map(({ sequence, personal }) => [sequence, personal?.user?.value]),
    [
      [2, 'u0'],
      [3, 'u1'],
      [4, 'u3'],
    ],
  )
  t.match(await verifyLines(await exported(store)), { findings: 0, entries: 4 })
})

t.test('the text of an entry is its canonical JSON', async (t) => {
  for (const { entry, text } of longTrail().entries.slice(0, 10)) t.equal(text, canonicalJson(entry))
})
