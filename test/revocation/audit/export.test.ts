import t from 'tap'
import type { AuditReading } from '../../../src/revocation/audit/audit-log.ts'
import type { StoredEntry } from '../../../src/revocation/audit/entry.ts'
import { exportAudit } from '../../../src/revocation/audit/export.ts'
import { anEvent, Trail, verifyLines } from '../../support/audit-export.ts'

const [A, B, C] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`) as [
  string,
  string,
  string,
]

/** A store of these entries. `onPage` is called before each page, and may change them. */
function reading(
  entries: StoredEntry[],
  onPage = (_pages: number) => {},
): Pick<AuditReading, 'spans' | 'page'> {
  let pages = 0
  const sorted = () =>
    entries.toSorted((one, other) => one.writer.localeCompare(other.writer) || one.sequence - other.sequence)
  return {
    async spans() {
      const chains = Map.groupBy(sorted(), ({ writer }) => writer)
      return [...chains].map(([writer, chain]) => ({
        writer,
        first: chain[0]?.sequence ?? 0,
        last: chain.at(-1)?.sequence ?? 0,
      }))
    },
    async page(after, limit) {
      onPage(++pages)
      const isAfter = ({ writer, sequence }: StoredEntry) =>
        !after || writer > after.writer || (writer === after.writer && sequence > after.sequence)
      return sorted().filter(isAfter).slice(0, limit)
    },
  }
}

function aTrail(length: number): Trail {
  const trail = new Trail()
  for (const writer of [A, B]) {
    trail.list(writer, [])
    trail.add(writer, ...Array.from({ length: length - 1 }, () => anEvent()))
  }
  return trail
}

async function linesOf(audit: ReturnType<typeof reading>): Promise<string[]> {
  const parts: string[] = []
  for await (const part of exportAudit(audit)) parts.push(part)
  return parts.join('').split(/(?<=\n)/)
}

t.test('it exports every entry, chain by chain', async (t) => {
  for (const length of [2, 249, 250, 251, 1_200]) {
    const trail = aTrail(length)
    t.same(await linesOf(reading(trail.entries)), trail.lines())
  }
  t.same(await linesOf(reading([])), [''])
})

t.test('entries that are added during the export are left out, so it stays consistent', async (t) => {
  const trail = aTrail(1_200)
  const before = trail.lines()
  const lines = await linesOf(
    reading(trail.entries, (pages) => {
      const heads = [trail.add(A, anEvent())]
      trail.list(B, heads)
      if (pages === 2) trail.list(C, heads)
    }),
  )
  t.same(lines, before)
  t.equal((await verifyLines(lines)).findings, 0)
})

t.test('it fails if retention deletes entries before they are exported', async (t) => {
  for (const [onPage, deleted] of [
    [1, (one: StoredEntry) => one.writer === A && one.sequence < 10],
    [2, (one: StoredEntry) => one.writer === A && one.sequence < 800],
    [2, (one: StoredEntry) => one.writer === B && one.sequence < 10],
    [2, (one: StoredEntry) => one.writer === B],
  ] as const) {
    const { entries } = aTrail(1_200)
    const purge = (pages: number) => {
      if (pages === onPage)
        entries.splice(0, Number.POSITIVE_INFINITY, ...entries.filter((one) => !deleted(one)))
    }
    await t.rejects(linesOf(reading(entries, purge)), { code: 'CURFEW_STORE_UNAVAILABLE' })
  }
})

t.test('entries that retention deletes after they are exported do no harm', async (t) => {
  const { entries } = aTrail(1_200)
  const purge = (pages: number) => {
    if (pages === 2) entries.splice(0, 400)
  }
  t.equal((await linesOf(reading(entries, purge))).length, 2_400)
})

t.test('gaps in the store are exported, for the verifier to report', async (t) => {
  const { entries } = aTrail(1_200)
  entries.splice(600, 1)
  const lines = await linesOf(reading(entries))
  t.equal(lines.length, 2_399)
  t.match((await verifyLines(lines)).found, [{ problem: 'missing' }])
})
