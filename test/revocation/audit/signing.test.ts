import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { AuditEvent, Position } from '../../../src/revocation/audit/entry.ts'
import { startSigning } from '../../../src/revocation/audit/signing.ts'
import { anEvent, Trail, verifyLines } from '../../support/audit-export.ts'
import { fakeClock } from '../../support/clock.ts'
import { startService } from '../../support/service.ts'
import { KEYS, SIGNING_KEY } from '../../support/signing.ts'

const A = 'aaaaaaaa-0000-4000-8000-000000000000'
const TEN_MINUTES_MS = 10 * 60_000
const HOUR_MS = 60 * 60_000

/** Signs a trail of three entries of May 2026, from noon on 28 November 2026 on. */
function signing(different: { auditSigningKey?: string | null; auditRetentionDays?: number } = {}) {
  const clock = fakeClock(Date.UTC(2026, 10, 28, 12))
  const trail = new Trail()
  trail.list(A, [])
  trail.add(A, anEvent(), anEvent())
  const recorded: AuditEvent[] = []
  const failures: Error[] = []
  const logged: string[] = []
  const log = (_details: object, message: string) => void logged.push(message)
  const at = (position: Position) => trail.entries.filter(({ sequence }) => sequence > position.sequence)
  const stop = startSigning({
    audit: {
      spans: async () => [{ writer: A, first: 1, last: trail.entries.length }],
      page: async (after, limit) => at(after ?? { writer: A, sequence: 0 }).slice(0, limit),
      async record(events) {
        const failure = failures.shift()
        if (failure) throw failure
        recorded.push(...events)
      },
    },
    ...{ auditSigningKey: SIGNING_KEY, auditRetentionDays: 365, ...different },
    clock,
    log: { info: log, error: log },
  })
  const days = () => recorded.map(({ details }) => details.day)
  const waits = () => clock.timerOf('revocation/audit/signing.ts')
  return { clock, trail, recorded, failures, logged, days, waits, stop }
}

t.test('it signs at the start, then once a day', async (t) => {
  const { clock, recorded, logged, days, waits, stop } = signing()
  t.equal(await waits(), TEN_MINUTES_MS)
  t.same(days(), ['2026-11-28'])
  t.match(recorded, [{ event: 'heads-signed', details: { heads: [{ writer: A, sequence: 3 }] } }])
  for (let minutes = 0; minutes < 13 * 60; minutes += 10) {
    clock.advance(TEN_MINUTES_MS)
    await waits()
  }
  t.same(days(), ['2026-11-28', '2026-11-29'])
  t.same(logged, Array(2).fill('signed the heads of the audit trail'))
  stop()
  t.equal(clock.untilNextTimer(), null)
})

t.test('it logs a failure, and tries again after ten minutes', async (t) => {
  const { clock, failures, logged, days, waits, stop } = signing()
  await waits()
  failures.push(new Error('no disk'))
  clock.leap(12 * HOUR_MS)
  await waits()
  t.same(days(), ['2026-11-28'])
  t.equal(logged.at(-1), 'could not sign the heads of the audit trail; retrying')
  clock.advance(TEN_MINUTES_MS)
  await waits()
  t.same(days(), ['2026-11-28', '2026-11-29'])
  stop()
})

t.test('it states which entries expire before the next signature', async (t) => {
  // The entries of the trail are of May.
  const { recorded, waits, stop } = signing({ auditRetentionDays: 30 })
  await waits()
  t.match(recorded.at(-1)?.details, { deletable: [{ writer: A, sequence: 3 }], retentionDays: 30 })
  stop()
  const kept = signing({ auditRetentionDays: 1_000 })
  await kept.waits()
  t.same(kept.recorded.at(-1)?.details.deletable, [])
  kept.stop()
})

t.test('without a key or a trail, nothing is signed', async (t) => {
  for (const without of [{ auditSigningKey: null }, { auditRetentionDays: 0 }]) {
    const { clock, recorded } = signing(without)
    t.equal(clock.untilNextTimer(), null)
    t.same(recorded, [])
  }
})

t.test('the service signs the heads of all chains once a day', async (t) => {
  const clock = fakeClock(Date.UTC(2026, 10, 28, 12))
  const service = await startService(t, { clock, environment: { AUDIT_SIGNING_KEY: SIGNING_KEY } })
  await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  const exported = async () => (await service.call('GET', '/audit/export')).text
  const days = async () => [...(await exported()).matchAll(/"day":"([^"]+)"/g)].map(([, day]) => day)
  for (let count = 0; count < 40 && (await days()).length < 2; count += 1) {
    clock.leap(60 * 60_000)
    for (let turn = 0; turn < 50; turn += 1) await nextTurn()
  }
  t.same(await days(), ['2026-11-28', '2026-11-29'])
  const lines = (await exported()).split(/(?<=\n)/).filter((line) => line !== '')
  t.match(await verifyLines(lines, [], KEYS.publicKey), {
    findings: 0,
    signedDays: ['2026-11-28', '2026-11-29'],
  })
  const logged = service.logLines.filter((line) => line.includes('signed the heads of the audit trail'))
  t.equal(logged.length, 2)
  t.notMatch(service.logLines.join(''), 'PRIVATE KEY')
})
