import { exportAudit } from '../../src/revocation/audit/export.ts'
import { startSigning } from '../../src/revocation/audit/signing.ts'
import { anEvent, verifyLines } from '../support/audit-export.ts'
import { fakeClock } from '../support/clock.ts'
import { KEYS, SIGNING_KEY } from '../support/signing.ts'
import { eachStore, SILENT } from './stores.ts'

const HOUR = 60 * 60_000
const DAY = 24 * HOUR
const RETENTION_DAYS = 5

/** Days on which nothing is recorded: more than the retention, so that whole chains are deleted. */
const isQuiet = (day: number) => day > 8 && day < 16
/** Days on which Curfew does not run. */
const isDown = (day: number) => day > 19 && day < 24

eachStore(async (t, opened) => {
  t.test('a process that restarts every half hour signs about every four hours', async (t) => {
    const store = await opened(t)
    const clock = fakeClock(Date.UTC(2026, 9, 1, 1))
    await store.audit.record([anEvent()], clock.now())
    for (let starts = 0; starts < 12; starts += 1) {
      const stop = startSigning({
        ...{ audit: store.audit, auditSigningKey: SIGNING_KEY, auditRetentionDays: RETENTION_DAYS },
        ...{ clock, log: SILENT },
      })
      await clock.timerOf('revocation/audit/signing.ts')
      stop()
      clock.leap(HOUR / 2)
    }
    const { items } = await store.audit.list({ event: 'heads-signed', limit: 100 })
    t.equal(items.length, 2)
  })

  t.test('with signed heads, what retention deletes verifies on each day', async (t) => {
    const store = await opened(t)
    const clock = fakeClock(Date.UTC(2026, 9, 1, 1))
    const start = () =>
      startSigning({
        ...{ audit: store.audit, auditSigningKey: SIGNING_KEY, auditRetentionDays: RETENTION_DAYS },
        ...{ clock, log: SILENT },
      })
    let stop = start()
    let deleted = 0
    for (let day = 1; day <= 30; day += 1) {
      if (isDown(day)) {
        clock.leap(DAY)
        stop()
        continue
      }
      if (isDown(day - 1) || day % 7 === 0) {
        stop()
        stop = start()
      }
      for (let hour = 0; hour < 24; hour += 3) {
        await clock.timerOf('revocation/audit/signing.ts')
        if (!isQuiet(day)) {
          const events = () => store.audit.record([anEvent()], clock.now())
          await Promise.all([events(), events()])
        }
        deleted += await store.audit.purge(clock.now() - RETENTION_DAYS * DAY, clock.now())
        await store.audit.recordHeads(clock.now())
        clock.leap(3 * HOUR)
      }
      await clock.timerOf('revocation/audit/signing.ts')
      let text = ''
      for await (const lines of exportAudit(store.audit)) text += lines
      const { found } = await verifyLines(text.split(/(?<=\n)/), [], KEYS.publicKey)
      t.same(found, [], `day ${day}`)
    }
    stop()
    t.ok(deleted > 200, `${deleted} entries`)
  })
})
