import { generateKeyPairSync } from 'node:crypto'
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

/** A trail of three entries of May 2026, on 28 November 2026, at noon by default. */
function aTrail(hour = 12) {
  const clock = fakeClock(Date.UTC(2026, 10, 28, hour))
  const trail = new Trail()
  trail.list(A, [])
  trail.add(A, anEvent(), anEvent())
  const recorded: { event: AuditEvent; at: number }[] = []
  return { clock, trail, recorded }
}

/** Starts to sign a trail. */
function signing(
  different: { auditSigningKey?: string | null; auditRetentionDays?: number } = {},
  { clock, trail, recorded } = aTrail(),
) {
  const failures: Error[] = []
  const logged: string[] = []
  const log = (_details: object, message: string) => void logged.push(message)
  const at = (position: Position) => trail.entries.filter(({ sequence }) => sequence > position.sequence)
  const stop = startSigning({
    audit: {
      spans: async () => [{ writer: A, first: 1, last: trail.entries.length }],
      page: async (after, limit) => at(after ?? { writer: A, sequence: 0 }).slice(0, limit),
      async list({ from = 0 }) {
        const items = recorded.flatMap((one, index) =>
          one.at >= from ? at({ writer: A, sequence: index + 3 }) : [],
        )
        return { items, nextCursor: null }
      },
      async record(events) {
        const failure = failures.shift()
        if (failure) throw failure
        trail.add(A, ...events)
        recorded.push(...events.map((event) => ({ event, at: clock.now() })))
      },
    },
    ...{ auditSigningKey: SIGNING_KEY, auditRetentionDays: 365, ...different },
    clock,
    log: { info: log, error: log },
  })
  const events = () => recorded.map(({ event }) => event)
  const days = () => events().map(({ details }) => details.day)
  const waits = () => clock.timerOf('revocation/audit/signing.ts')
  return { clock, trail, events, failures, logged, days, waits, stop }
}

t.test('it signs at the start, after four hours, then once a day', async (t) => {
  const { clock, events, logged, days, waits, stop } = signing()
  t.equal(await waits(), TEN_MINUTES_MS)
  t.match(events(), [{ event: 'heads-signed', details: { heads: [{ writer: A, sequence: 3 }] } }])
  const signedAfter: number[] = []
  for (let minutes = 10; minutes <= 34 * 60; minutes += 10) {
    const before = days().length
    clock.advance(TEN_MINUTES_MS)
    await waits()
    if (days().length > before) signedAfter.push(minutes / 60)
  }
  t.same(signedAfter, [4, 12])
  t.same(days(), ['2026-11-28', '2026-11-28', '2026-11-29'])
  t.match(events()[1]?.details, { heads: [{ sequence: 4 }] }, 'with what this process has written')
  t.same(logged, Array(3).fill('signed the heads of the audit trail'))
  stop()
  t.equal(clock.untilNextTimer(), null)
})

t.test('a process that restarts every ten minutes signs about every four hours', async (t) => {
  const world = aTrail()
  for (let minutes = 0; minutes < 9 * 60; minutes += 10) {
    const { waits, stop } = signing({}, world)
    await waits()
    stop()
    world.clock.leap(TEN_MINUTES_MS)
  }
  const start = Date.UTC(2026, 10, 28, 12)
  t.same(
    world.recorded.map(({ at }) => (at - start) / TEN_MINUTES_MS),
    [0, 25, 50],
  )
})

t.test('after a restart, only a recent signature of the same statement suffices', async (t) => {
  const another = String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  type World = ReturnType<typeof aTrail>
  const cases = [
    ['another key', { auditSigningKey: another }],
    ['another retention', { auditRetentionDays: 30 }],
    ['another day', {}, ({ clock }: World) => clock.jump(HOUR_MS)],
    [
      'a changed entry',
      {},
      ({ trail }: World) => Object.assign(trail.entries.at(-1) ?? {}, { hash: '0'.repeat(64) }),
    ],
  ] as const
  for (const [name, different, change] of cases) {
    const world = aTrail(name === 'another day' ? 23 : 12)
    const first = signing({}, world)
    await first.waits()
    first.stop()
    change?.(world)
    const again = signing(different, world)
    await again.waits()
    again.stop()
    t.equal(world.recorded.length, 2, name)
  }
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
  const { events, waits, stop } = signing({ auditRetentionDays: 30 })
  await waits()
  t.match(events().at(-1)?.details, { deletable: [{ writer: A, sequence: 3 }], retentionDays: 30 })
  stop()
  const kept = signing({ auditRetentionDays: 1_000 })
  await kept.waits()
  t.same(kept.events().at(-1)?.details.deletable, [])
  kept.stop()
})

t.test('without a key or a trail, nothing is signed', async (t) => {
  for (const without of [{ auditSigningKey: null }, { auditRetentionDays: 0 }]) {
    const { clock, events } = signing(without)
    t.equal(clock.untilNextTimer(), null)
    t.same(events(), [])
  }
})

t.test('the service signs the heads of all chains', async (t) => {
  const clock = fakeClock(Date.UTC(2026, 10, 28, 12))
  const service = await startService(t, { clock, environment: { AUDIT_SIGNING_KEY: SIGNING_KEY } })
  await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  const exported = async () => (await service.call('GET', '/audit/export')).text
  const days = async () => [...(await exported()).matchAll(/"day":"([^"]+)"/g)].map(([, day]) => day)
  for (let count = 0; count < 40 && (await days()).length < 3; count += 1) {
    clock.leap(60 * 60_000)
    for (let turn = 0; turn < 50; turn += 1) await nextTurn()
  }
  t.same(await days(), ['2026-11-28', '2026-11-28', '2026-11-29'])
  const lines = (await exported()).split(/(?<=\n)/).filter((line) => line !== '')
  t.match(await verifyLines(lines, [], KEYS.publicKey), {
    findings: 0,
    signedDays: ['2026-11-28', '2026-11-29'],
  })
  const logged = service.logLines.filter((line) => line.includes('signed the heads of the audit trail'))
  t.equal(logged.length, 3)
  t.notMatch(service.logLines.join(''), 'PRIVATE KEY')
})
