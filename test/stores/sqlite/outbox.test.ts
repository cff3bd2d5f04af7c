import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { AuditEvent } from '../../../src/revocation/audit/entry.ts'
import { endEvents } from '../../../src/revocation/audit/events.ts'
import { newRevocation } from '../../../src/revocation/transitions.ts'
import { GroupCommit } from '../../../src/stores/sqlite/group-commit.ts'
import { MIGRATIONS } from '../../../src/stores/sqlite/migrations.ts'
import { SqliteOutbox } from '../../../src/stores/sqlite/notifications.ts'
import { outboxFor } from '../../support/receivers.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const failed = (id: string): AuditEvent[] => endEvents({ ...newRevocation(id, aSignal()), status: 'failed' })

t.test('a write that is rolled back adds no notification, the others of its transaction do', async (t) => {
  const database = new DatabaseSync(':memory:')
  for (const step of MIGRATIONS) database.exec(step)
  const outbox = outboxFor()
  const notified: ReadonlySet<string>[] = []
  outbox.onCommitted = (receivers) => void notified.push(receivers)
  const writing = new SqliteOutbox(database, outbox)
  const commits = new GroupCommit(database, writing)
  t.teardown(() => {
    commits.close()
    database.close()
  })
  const write = (id: string, error?: Error) =>
    commits.write(
      () => {
        writing.note(failed(id), T0)
        if (error) throw error
      },
      { mustSync: true },
    )
  const rolledBack = write('b', new Error('refused'))
  const [first, second, third] = await Promise.allSettled([write('a'), rolledBack, write('c')])
  t.same([first?.status, second?.status, third?.status], ['fulfilled', 'rejected', 'fulfilled'])
  const rows = database.prepare('SELECT revocation_id FROM notifications ORDER BY revocation_id').all()
  t.same(
    rows.map(({ revocation_id: id }) => id),
    ['a', 'c'],
  )
  t.same(notified, [new Set(['siem'])], 'once for the transaction')
})
