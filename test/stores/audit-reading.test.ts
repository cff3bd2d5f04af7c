import t, { type Test } from 'tap'
import type { AuditQuery, AuditReading } from '../../src/revocation/audit/audit-log.ts'
import type { NewEntry } from '../../src/revocation/audit/chain.ts'
import { postgresAuditReading } from '../../src/stores/postgres/audit-reading.ts'
import { sqliteAuditReading, sqliteRows } from '../../src/stores/sqlite/audit-reading.ts'
import { anEvent, ownEvent, Trail } from '../support/audit-export.ts'
import { postgresTables, sqliteTables } from './audit-tables.ts'

interface Tables {
  reading: AuditReading
  insert: (entries: readonly NewEntry[]) => Promise<void>
}

const STORES: Record<string, (t: Test) => Promise<Tables>> = {
  async sqlite(t) {
    const { database, insert } = sqliteTables(t)
    return { reading: sqliteAuditReading(sqliteRows(database, async (work) => work())), insert }
  },
  async postgres(t) {
    const { database, insert } = await postgresTables(t)
    return { reading: postgresAuditReading(database.query), insert }
  },
}

const [A, B, C] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`) as [
  string,
  string,
  string,
]
const [R1, R2] = ['01f7dd5c-5d0c-7c4e-9d0e-3b1f0c9a7e21', '01f7dd5c-5d0c-7c4e-9d0e-3b1f0c9a7e22'] as const
const ANN = { kind: 'email', value: 'ann@example.com' } as const

/** All pages of a listing, as `writer sequence`. */
async function listed(
  reading: AuditReading,
  query: Omit<AuditQuery, 'limit'>,
  limit = 100,
): Promise<string[]> {
  const found: string[] = []
  let cursor: string | undefined
  for (;;) {
    const { items, nextCursor } = await reading.list({ ...query, limit, cursor })
    if (items.length > limit) throw new Error('The page is too long.')
    found.push(...items.map(({ writer, sequence }) => `${writer.slice(0, 1)}${sequence}`))
    if (nextCursor === null) return found
    cursor = nextCursor
  }
}

for (const [name, open] of Object.entries(STORES)) {
  t.test(name, async (t) => {
    const { reading, insert } = await open(t)
    const trail = new Trail()

    t.test('an empty trail', async (t) => {
      t.same(await reading.list({ limit: 10 }), { items: [], nextCursor: null })
      t.same(await reading.page(null, 10), [])
      t.same(await reading.spans(), [])
    })

    t.test('filters select entries, newest first', async (t) => {
      trail.list(B, [])
      const subject = { ...ANN, kind: 'subject' } as const
      for (const event of [
        anEvent({ revocation: R1, personal: { user: ANN } }),
        anEvent({ event: 'signal-joined', revocation: R1, personal: { user: ANN }, tenant: 'emea' }),
        anEvent({ by: { kind: 'source', name: 'op', id: 'x' }, personal: { user: subject } }),
      ])
        trail.add(B, event)
      trail.list(A, [])
      trail.add(A, anEvent({ event: 'dry-run', revocation: R2, tenant: 'emea' }))
      trail.add(B, ownEvent('heads', { heads: [] }))
      await insert(trail.entries)
      const at = (index: number) => trail.entries[index]?.entry.at
      const cases: [Omit<AuditQuery, 'limit'>, string][] = [
        [{}, 'b5 a2 a1 b4 b3 b2 b1'],
        [{ user: ANN }, 'b3 b2'],
        [{ user: subject }, 'b4'],
        [{ user: { ...ANN, kind: 'userId' } }, ''],
        [{ sender: 'ops' }, 'a2 b3 b2'],
        [{ sender: 'op' }, 'b4'],
        [{ event: 'chain-started' }, 'a1 b1'],
        [{ revocation: R1 }, 'b3 b2'],
        [{ revocation: R1, user: ANN, sender: 'ops', event: 'signal-joined', tenants: ['emea'] }, 'b3'],
        [{ revocation: R2, user: ANN }, ''],
        [{ tenants: ['emea'] }, 'a2 b3'],
        [{ tenants: ['emea', 'default'] }, 'a2 b4 b3 b2'],
        [{ tenants: [] }, ''],
        [{ from: at(2), to: at(4) }, 'b4 b3'],
        [{ from: at(2), sender: 'ops' }, 'a2 b3'],
        [{ to: at(2), event: 'signal-accepted' }, 'b2'],
        [{ cursor: 'unknown' }, 'b5 a2 a1 b4 b3 b2 b1'],
      ]
      for (const [query, expected] of cases)
        for (const limit of [1, 2, 100])
          t.same((await listed(reading, query, limit)).join(' '), expected, JSON.stringify({ query, limit }))
    })

    t.test('pages and spans are in the order of the export', async (t) => {
      const all = await reading.page(null, 100)
      t.same(
        all.map(({ text, private: personal, hash }) => ({ text, private: personal, hash })),
        trail.entries
          .toSorted((one, other) => one.writer.localeCompare(other.writer))
          .map(({ text, private: personal, hash }) => ({ text, private: personal, hash })),
      )
      t.same(await reading.page({ writer: A, sequence: 1 }, 3), all.slice(1, 4))
      t.same(await reading.page({ writer: B, sequence: 5 }, 3), [])
      t.same(await reading.spans(), [
        { writer: A, first: 1, last: 2 },
        { writer: B, first: 1, last: 5 },
      ])
    })

    t.test('a rare entry is found among many', async (t) => {
      const many = new Trail()
      many.list(C, [])
      const rare = anEvent({ event: 'backup-made', tenant: 'apac' })
      many.add(C, rare, ...Array.from({ length: 12_000 }, () => anEvent()), rare)
      for (let start = 0; start < many.entries.length; start += 1_000)
        await insert(many.entries.slice(start, start + 1_000))
      for (const query of [
        { event: 'backup-made' },
        { tenants: ['apac'] },
        { event: 'backup-made', sender: 'ops' },
      ])
        for (const limit of [1, 10]) t.same(await listed(reading, query, limit), ['c12003', 'c2'])
      t.equal((await listed(reading, { sender: 'ops' }, 1_000)).length, 12_005)
      t.equal(new Set(await listed(reading, { tenants: ['default'] }, 1_000)).size, 12_002)
    })
  })
}
