import t from 'tap'
import { aCompletion, accept, claim, SILENT } from '../../conformance/stores.ts'
import { brokenLink, entriesOf, storedEntries } from '../../support/audit.ts'
import { startPostgres } from '../../support/postgres.ts'
import { previousIsMissing, previousVersion } from '../../support/previous-version.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

const options = { skip: previousIsMissing() }

t.test('the audit trail lacks what a replica of the previous version does', options, async (t) => {
  const server = await startPostgres(t)
  const { url, open } = await jobTables(t, server)
  const { openPostgresStore } = await previousVersion(t).load('stores/postgres.ts')
  const older = await openPostgresStore(url, { connections: 4, now: () => T0, log: SILENT })
  t.teardown(() => older.close())
  await older.accept([aSignal({ userId: 'before' })], null, T0)
  const newer = await open()
  await older.accept([aSignal({ userId: 'both' })], null, T0)
  await newer.accept([aSignal({ userId: 'both' })], null, T0, AN_ORIGIN)
  await accept(newer, { userId: 'new' })
  await older.accept([aSignal({ userId: 'new' })], null, T0)
  for (const { id } of await claim(newer)) await newer.end(id, aCompletion())
  const entries = await entriesOf(newer)
  const eventsOf = (userId: string) =>
    entries.filter(({ personal }) => personal?.user?.value === userId).map(({ event }) => event)
  t.same(eventsOf('before'), ['revocation-ended', 'revocation-verified'])
  t.same(eventsOf('both').sort(), ['revocation-ended', 'revocation-verified', 'signal-joined'])
  t.same(eventsOf('new').sort(), ['revocation-ended', 'revocation-verified', 'signal-accepted'])
  t.equal(brokenLink(await storedEntries(newer.audit)), null)
})
