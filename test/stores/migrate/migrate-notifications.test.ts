import t from 'tap'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { aCompletion, accept, claim, existing } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { outboxFor } from '../../support/receivers.ts'
import { T0 } from '../../support/signals.ts'
import { migrationStores } from './migration-stores.ts'

const server = await startPostgres(t)

t.test('notifications are copied once, with their attempts, and are sent from there', async (t) => {
  const { path, move, target } = await migrationStores(t, server)
  const file = openSqliteStore(path, undefined, undefined, { outbox: outboxFor() })
  await accept(file, { notify: ['siem'] })
  const [running] = await claim(file)
  await file.end(existing(running).id, aCompletion())
  const [first] = await file.notifications.claim('siem', Date.now(), 1)
  const failure = {
    status: 'retry',
    at: T0,
    httpStatus: 500,
    code: 'CURFEW_RECEIVER_STATUS',
    dueAt: T0,
  } as const
  await file.notifications.report(existing(first), failure)
  const before = await file.notifications.list({ limit: 10 })
  t.equal(before.items.length, 2)
  await file.close()
  t.match(await move(), { notifications: 2 })
  t.match(await move(), { notifications: 0 })
  const store = await target()
  t.same(await store.notifications.list({ limit: 10 }), before)
  const claimed = await store.notifications.claim('siem', Date.now(), 10)
  t.equal(claimed.length, 2)
  t.equal(claimed.find(({ id }) => id === first?.id)?.data, first?.data)
  t.same((await store.get(existing(running).id))?.notify, ['siem'])
})
