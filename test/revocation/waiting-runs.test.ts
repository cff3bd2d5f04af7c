import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { QlikTenant } from '../../src/revocation/qlik-tenant.ts'
import { Worker } from '../../src/revocation/worker.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { existing, SILENT } from '../conformance/stores.ts'
import { openRuns } from '../support/runs.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

t.test('a run that waits for another run of its user does not accumulate listeners', async (t) => {
  const runs = await openRuns(t)
  const { clock, qlik } = runs
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'), clock)
  let signal = new AbortController().signal
  const listening: number[] = []
  const tenant: QlikTenant = {
    ...{ name: qlik.name, concurrency: qlik.concurrency },
    clockOffset: () => qlik.clockOffset(),
    power(options) {
      signal = options.signal
      return qlik.power(options)
    },
    findUsers: (...of) => qlik.findUsers(...of),
    userExists: (...of) => qlik.userExists(...of),
    listTokens: (...of) => qlik.listTokens(...of),
    listOwners: (...of) => qlik.listOwners(...of),
    revokeToken: (...of) => qlik.revokeToken(...of),
    fateOf: (id) => qlik.fateOf(id),
  }
  const ended = Promise.withResolvers<void>()
  const worker = new Worker({
    store: {
      ...store,
      async lockUsers() {
        listening.push(getEventListeners(signal, 'abort').length)
        return listening.length > 20
      },
    },
    tenants: { get: () => tenant },
    ...{ clock, log: SILENT, random: () => 0.5, runsPerTenant: () => 10 },
    onEnded: () => ended.resolve(),
    onConfirmed: () => {},
    onEndedElsewhere: () => {},
  })
  t.teardown(async () => {
    await worker.stop()
    await store.close()
  })
  const user = runs.userWithTokens(1)
  const { revocations } = await store.accept([aSignal({ userId: user.id })], null, T0)
  await worker.start()
  await runs.drive(ended.promise)
  t.equal(listening.at(-1), listening[0])
  t.match(await store.get(existing(revocations[0]).id), { status: 'completed', tokens: { revoked: 1 } })
})

t.test('the search for runs that must give way takes up to a tenth of the time', async (t) => {
  const runs = await openRuns(t)
  const { clock, sandbox } = runs
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'), clock)
  let searches = 0
  let claimed = Promise.withResolvers<void>()
  const worker = new Worker({
    store: {
      ...store,
      async overtaken() {
        searches += 1
        clock.advance(100)
        return store.overtaken()
      },
      async nextDueAt(now) {
        claimed.resolve()
        return store.nextDueAt(now)
      },
    },
    tenants: { get: () => runs.qlik },
    ...{ clock, log: SILENT, random: () => 0.5, runsPerTenant: () => 10 },
    onEnded: () => {},
    onConfirmed: () => {},
    onEndedElsewhere: () => {},
  })
  t.teardown(async () => {
    await worker.stop()
    await store.close()
  })
  const claims = async () => {
    claimed = Promise.withResolvers()
    worker.wake()
    await claimed.promise
  }
  sandbox.tenant.order({ kind: 'hang', route: 'list' })
  await store.accept([aSignal({ userId: runs.userWithTokens(1).id })], null, T0)
  await worker.start()
  await claimed.promise
  t.equal(searches, 1)
  await claims()
  await claims()
  t.equal(searches, 1)
  claimed = Promise.withResolvers()
  clock.advance(900)
  await claimed.promise
  t.equal(searches, 2, 'a search that was left out is made up for')
})
