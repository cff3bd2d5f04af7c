import t from 'tap'
import { operatorEvent } from '../../../src/revocation/audit/events.ts'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { brokenLink, read, storedEntries } from '../../support/audit.ts'
import { startPostgres } from '../../support/postgres.ts'
import { AN_ORIGIN, T0 } from '../../support/signals.ts'
import { migrationStores, oneOfEach } from './migration-stores.ts'

const server = await startPostgres(t)
const DAY = 24 * 60 * 60_000
const anEvent = operatorEvent('backup-made', { bytes: 1 }, AN_ORIGIN)

t.test('the audit trail is copied as it is, and its chains can still be verified', async (t) => {
  const { fill, move, target, path } = await migrationStores(t, server)
  await fill(oneOfEach)
  await fill((source) =>
    source.audit.record(
      Array.from({ length: 600 }, () => anEvent),
      T0,
    ),
  )
  const file = openDatabase(path)
  file.exec(
    `UPDATE audit_entries SET private = NULL WHERE sequence = 2; UPDATE audit_entries SET entry = '{' WHERE sequence = 300`,
  )
  file.close()
  const before = await fill((source) => storedEntries(source.audit))
  t.match(await move(), { entries: before.length })
  t.match(await move(), { entries: 0 })
  const store = await target()
  t.strictSame(await storedEntries(store.audit), before, 'also an erased and a damaged entry')

  await store.audit.record([anEvent], T0)
  const after = await storedEntries(store.audit)
  const known = new Set(before.map(({ writer }) => writer))
  const first = after.filter(({ writer }) => !known.has(writer)).map(read)[0]
  const [writer] = before.filter(({ sequence }) => sequence > 500).map((entry) => entry.writer)
  const last = before.filter((entry) => entry.writer === writer).at(-1)
  const head = { writer, sequence: last?.sequence, hash: last?.hash }
  t.match(first, { event: 'chain-started', details: { heads: [head] } }, 'the new chain lists the copied one')
})

t.test('entries that were deleted in PostgreSQL are not copied again', async (t) => {
  const { fill, move, target } = await migrationStores(t, server)
  await fill(async ({ audit }) => {
    await audit.record([anEvent], T0)
    await audit.record([anEvent], T0 + 2 * DAY)
  })
  await move()
  const store = await target()
  t.equal(await store.audit.purge(T0 + DAY, T0 + DAY), 2)
  t.match(await move(), { entries: 0 })
  await fill(({ audit }) => audit.record([anEvent], T0 + 2 * DAY))
  t.match(await move(), { entries: 2 }, 'a chain that has started since is copied')
  const all = await storedEntries(store.audit)
  const checkpoints = all.flatMap(({ text }) => /"hash":"(\w+)"/.exec(text)?.[1] ?? [])
  t.equal(brokenLink(all, checkpoints), null)
})
