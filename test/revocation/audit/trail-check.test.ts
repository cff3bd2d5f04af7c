import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { StoredEntry } from '../../../src/revocation/audit/entry.ts'
import { TrailCheck } from '../../../src/revocation/audit/trail-check.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { anEvent, Trail } from '../../support/audit-export.ts'
import { fakeClock } from '../../support/clock.ts'
import { databaseUrl, startService } from '../../support/service.ts'
import { aSignal } from '../../support/signals.ts'

const A = 'aaaaaaaa-0000-4000-8000-000000000000'
const B = 'bbbbbbbb-0000-4000-8000-000000000000'
const TEN_MINUTES_MS = 10 * 60_000
/** Where the timers of the check are set. */
const PROCESSED = 'base/pause.ts'
/** What each page takes in these tests. */
const PAGE_MS = 10

/** A trail of two chains with 3 and 251 entries, whose check has started. */
async function setUp(t: Test) {
  const clock = fakeClock()
  const trail = new Trail()
  const tip = trail.list(A, [])
  trail.add(A, anEvent(), anEvent({ personal: { user: { kind: 'email', value: 'ann@example.com' } } }))
  trail.list(B, [tip])
  trail.add(B, ...Array.from({ length: 250 }, () => anEvent()))
  const rows: StoredEntry[] = trail.lines().map((line) => storedIn(trail, line))
  const logged: object[] = []
  let pages = 0
  const check = new TrailCheck({
    audit: {
      async spans() {
        const of = (writer: string) => rows.filter((row) => row.writer === writer).map((row) => row.sequence)
        return [A, B].flatMap((writer) => {
          const all = of(writer)
          return all.length === 0 ? [] : [{ writer, first: Math.min(...all), last: Math.max(...all) }]
        })
      },
      async page(after, limit) {
        pages += 1
        clock.advance(PAGE_MS)
        const { writer, sequence } = after ?? { writer: '', sequence: 0 }
        const isLater = (row: StoredEntry) =>
          row.writer > writer || (row.writer === writer && row.sequence > sequence)
        return rows.filter(isLater).slice(0, limit)
      },
    },
    clock,
    log: { info: () => {}, warn: () => {}, error: (details) => void logged.push(details) },
  })
  check.start()
  t.teardown(() => check.stop())
  await clock.timerOf(PROCESSED)
  return {
    ...{ clock, trail, rows, check, logged },
    pages: () => pages,
    at: (writer: string, sequence: number) =>
      rows.findIndex((row) => row.writer === writer && row.sequence === sequence),
    /** Lets the next check run to its end. */
    async pass() {
      const before = check.checkedAt
      clock.advance(TEN_MINUTES_MS)
      while (check.checkedAt === before) clock.advance(await clock.timerOf(PROCESSED))
      await clock.timerOf(PROCESSED)
    },
  }
}

function storedIn({ entries }: Trail, line: string): StoredEntry {
  const found = entries.find(({ text }) => line.includes(text))
  if (!found) throw new Error('expected an entry')
  return { ...found }
}

t.test('an intact trail is checked once, and what is added later', async (t) => {
  const { check, trail, rows, pages, pass } = await setUp(t)
  t.equal(check.checkedAt, null)
  await pass()
  t.same(check.problems, [])
  t.same(check.checks(), [])
  t.equal(pages(), 1 + 3)
  await pass()
  t.equal(pages(), 4)
  trail.add(B, anEvent())
  rows.push({ ...(trail.entries.at(-1) as StoredEntry) })
  await pass()
  t.equal(pages(), 5)
  t.same(check.problems, [])
})

t.test('a page is followed by a pause of 19 times its duration', async (t) => {
  const { clock } = await setUp(t)
  clock.advance(TEN_MINUTES_MS)
  t.equal(await clock.timerOf(PROCESSED), 19 * PAGE_MS)
})

type World = Awaited<ReturnType<typeof setUp>>
const changed = (text: string) => text.replace('192.0.2.1', '192.0.2.2')
const DAMAGES: Record<string, [sequence: number, damage: (world: World) => void]> = {
  changed: [100, ({ rows, at }) => edit(rows, at(B, 100), (row) => ({ text: changed(row.text) }))],
  'private-changed': [
    3,
    ({ rows, at }) => edit(rows, at(A, 3), (row) => ({ private: String(row.private).replace('ann', 'ben') })),
  ],
  missing: [101, ({ rows, at }) => void rows.splice(at(B, 100), 1)],
  // It differs from the one before it.
  unlinked: [
    50,
    ({ rows, at }) => {
      const other = new Trail()
      other.list(B, [])
      other.add(B, ...Array.from({ length: 49 }, () => anEvent({ address: '192.0.2.9' })))
      edit(rows, at(B, 50), () => ({ ...(other.entries.at(-1) as StoredEntry) }))
    },
  ],
  unreadable: [7, ({ rows, at }) => edit(rows, at(B, 7), () => ({ text: '{}' }))],
}

function edit(rows: StoredEntry[], index: number, change: (row: StoredEntry) => Partial<StoredEntry>): void {
  const row = rows[index]
  if (!row) throw new Error('expected a row')
  rows[index] = { ...row, ...change(row) }
}

for (const [problem, [sequence, damage]] of Object.entries(DAMAGES))
  t.test(`an entry that is ${problem} is reported once`, async (t) => {
    const world = await setUp(t)
    damage(world)
    await world.pass()
    await world.pass()
    const writer = problem === 'private-changed' ? A : B
    t.match(world.check.problems, [{ problem, writer, sequence }])
    t.equal(world.logged.length, 1)
    t.match(world.logged, [{ problem, writer, action: /audit verify/ }])
    t.match(world.check.checks(), [{ name: 'audit-trail', status: 'warning' }])
  })

t.test('an end that is cut off after it was checked is reported', async (t) => {
  const { check, rows, at, pass } = await setUp(t)
  await pass()
  rows.splice(at(B, 251), 1)
  await pass()
  t.match(check.problems, [{ problem: 'end-missing', writer: B, sequence: 251 }])
})

t.test('erased private parts and entries that retention removed are no problem', async (t) => {
  const { check, rows, at, clock, pages, pass } = await setUp(t)
  edit(rows, at(A, 3), () => ({ private: null }))
  rows.splice(at(A, 1), 1)
  await pass()
  rows.splice(at(A, 2), 2)
  rows.splice(at(B, 1), 60)
  await pass()
  t.same(check.problems, [])
  t.equal(pages(), 4)
  t.ok(clock.untilNextTimer() !== null)
})

t.test('entries that retention removes during the check are no problem', async (t) => {
  const { check, rows, at, clock, pass } = await setUp(t)
  clock.advance(TEN_MINUTES_MS)
  await clock.timerOf(PROCESSED)
  rows.splice(at(B, 1), 150)
  await pass()
  t.same(check.problems, [])
})

t.test('a service reports an entry that someone changed in its database', async (t) => {
  const clock = fakeClock()
  const url = databaseUrl(t)
  const path = url.replace('sqlite:', '')
  const store = openSqliteStore(path, clock)
  await store.accept([aSignal()], null, clock.now())
  await store.close()
  const database = new DatabaseSync(path)
  const changed = database
    .prepare(`UPDATE audit_entries SET entry = replace(entry, ?, ?) WHERE event = 'signal-accepted'`)
    .run('"scope"', '"scoop"')
  t.equal(changed.changes, 1)
  database.close()
  const service = await startService(t, { clock, environment: { DATABASE_URL: url } })
  const findings = async () => {
    const { json } = await service.call('GET', '/health/ready')
    return json.checks.filter(({ name }: { name: string }) => name === 'audit-trail')
  }
  t.same(await findings(), [])
  clock.leap(TEN_MINUTES_MS)
  let found = await findings()
  while (found.length === 0) found = await findings()
  t.match(found, [{ status: 'warning', detail: /^Damaged chains of the audit trail: 1\./ }])
  const { text } = await service.call('GET', '/metrics')
  t.match(text, /^curfew_audit_trail_damaged_chains 1$/m)
})

t.test('a damaged chain is first, and forgotten when retention has removed it', async (t) => {
  const { check, rows, at, pass } = await setUp(t)
  edit(rows, at(B, 100), (row) => ({ text: changed(row.text) }))
  await pass()
  t.match(
    check.chains.map(({ writer, problem }) => [writer, problem?.problem]),
    [
      [B, 'changed'],
      [A, undefined],
    ],
  )
  rows.splice(at(B, 1), 251)
  await pass()
  t.same(check.checks(), [])
  t.match(check.chains, [{ writer: A, problem: null }])
})
