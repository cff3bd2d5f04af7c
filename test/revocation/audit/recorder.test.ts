import t from 'tap'
import type { AuditEvent } from '../../../src/revocation/audit/entry.ts'
import { operatorEvent } from '../../../src/revocation/audit/events.ts'
import { Recorder } from '../../../src/revocation/audit/recorder.ts'
import { fakeClock } from '../../support/clock.ts'
import { T0 } from '../../support/signals.ts'

function setUp() {
  const writes: PromiseWithResolvers<void>[] = []
  const recorded: (readonly AuditEvent[])[] = []
  const logged: [object, string][] = []
  const log = (details: object, message: string) => void logged.push([details, message])
  const recorder = new Recorder({
    audit: {
      async record(events) {
        recorded.push(events)
        const write = Promise.withResolvers<void>()
        writes.push(write)
        await write.promise
      },
    },
    clock: fakeClock(T0),
    log: { info: log, warn: log, error: log },
  })
  const note = (name: string) => recorder.note(operatorEvent('backup-made', { name }))
  const names = () => recorded.map((events) => events.map(({ details }) => details.name))
  return { recorder, note, names, writes, logged }
}

t.test('events that occur while the store writes are recorded together', async (t) => {
  const { recorder, note, names, writes, logged } = setUp()
  for (const name of ['a', 'b', 'c']) note(name)
  t.same(names(), [['a']])
  writes[0]?.resolve()
  while (writes.length < 2) await Promise.resolve()
  t.same(names(), [['a'], ['b', 'c']])
  writes[1]?.resolve()
  await recorder.flushed()
  t.same(logged, [])
})

t.test('what cannot be recorded is logged, and later events are recorded', async (t) => {
  const { recorder, note, names, writes, logged } = setUp()
  note('a')
  note('b')
  writes[0]?.reject(new Error('no disk'))
  while (writes.length < 2) await Promise.resolve()
  writes[1]?.resolve()
  await recorder.flushed()
  t.same(names(), [['a'], ['b']])
  t.match(logged, [[{ lost: 1, event: 'backup-made' }, 'events are missing from the audit trail']])
})

t.test('a limited number of events waits; the others are logged as lost', async (t) => {
  const { recorder, note, names, writes, logged } = setUp()
  for (let count = 0; count < 10_005; count += 1) note(String(count))
  writes[0]?.resolve()
  while (writes.length < 2) await Promise.resolve()
  writes[1]?.resolve()
  await recorder.flushed()
  t.equal(names()[1]?.length, 10_000)
  t.match(logged, [[{ lost: 4 }, 'events are missing from the audit trail']])
})

t.test('an event that occurs just as the last write ends is recorded before the shutdown', async (t) => {
  for (let turns = 0; turns < 8; turns += 1) {
    const { recorder, note, names, writes } = setUp()
    note('a')
    const later = async () => {
      await writes[0]?.promise
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      note('b')
      writes[1]?.resolve()
    }
    const done = later()
    writes[0]?.resolve()
    await done
    writes[1]?.resolve()
    await recorder.flushed()
    t.same(names(), [['a'], ['b']], `after ${turns} turns`)
  }
})
