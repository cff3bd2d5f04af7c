import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createAccept } from '../../src/revocation/accept.ts'
import { LateTimes } from '../../src/revocation/late-times.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { existing, SILENT } from '../conformance/stores.ts'
import { fakeClock } from '../support/clock.ts'
import { qlikTenant } from '../support/qlik-tenant.ts'
import { temporaryFolder } from '../support/service.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'

/** A store, and a tenant whose clock is unknown until the test sets it. */
async function setUp(t: Test) {
  const clock = fakeClock(T0)
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'), clock)
  const ahead = T0 - clock.monotonic() + 60_000
  const tenantClock = { known: false }
  const tenant = qlikTenant({
    clockOffset: () => (tenantClock.known ? { earliest: ahead, latest: ahead + 900 } : null),
  })
  const tenants = { ifOpen: () => tenant }
  const measured = Promise.withResolvers<void>()
  const watched: Pick<RevocationStore, 'measure' | 'clock'> = {
    clock: store.clock,
    async measure(ids, resolve) {
      await store.measure(ids, resolve)
      measured.resolve()
    },
  }
  const lateTimes = new LateTimes({ store: watched, tenants, clock, log: SILENT })
  t.teardown(async () => {
    lateTimes.stop()
    await store.close()
  })
  const accept = createAccept({
    store,
    tenants,
    clock,
    onAccepted: (_signals, { revocations }) => lateTimes.note(revocations),
  })
  return { clock, store, tenantClock, accept, measured: measured.promise }
}

t.test('a signal is measured as soon as the clock of its tenant is known', async (t) => {
  const { clock, store, tenantClock, accept, measured } = await setUp(t)
  const { revocations } = await accept([aSignal()], null, AN_ORIGIN)
  const { id, signalTime } = existing(revocations[0])
  t.match(signalTime, { tenant: null, open: { measured: null } })
  clock.advance(5_000)
  // The first check found nothing; another one follows.
  await new Promise(setImmediate)
  tenantClock.known = true
  clock.advance(1_000)
  await measured
  const time = existing(await store.get(id)).signalTime
  t.match(time, { open: null, tenant: { earliest: Number, latest: Number } })
  t.ok(time?.tenant && time.tenant.earliest <= T0 + 60_000 && time.tenant.latest >= T0 + 60_900)
  await new Promise(setImmediate)
  t.equal(clock.untilNextTimer(), null, 'the checks stop')
})

t.test('a signal is measured immediately if the clock is known', async (t) => {
  const { clock, tenantClock, accept } = await setUp(t)
  tenantClock.known = true
  const { revocations } = await accept([aSignal()], null, AN_ORIGIN)
  t.match(existing(revocations[0]).signalTime, { open: null, tenant: { earliest: T0 + 60_000 } })
  t.equal(clock.untilNextTimer(), null)
})

t.test('a revocation with many joined signals takes up one entry', async (t) => {
  const { clock, store, tenantClock, accept, measured } = await setUp(t)
  const alike = Array.from({ length: 1_000 }, () => aSignal())
  for (let times = 0; times < 10; times += 1) await accept(alike, null, AN_ORIGIN)
  const { revocations } = await accept([aSignal({ userId: 'u2' })], null, AN_ORIGIN)
  tenantClock.known = true
  clock.advance(1_000)
  await measured
  t.match(existing(await store.get(existing(revocations[0]).id)).signalTime, { open: null })
})
