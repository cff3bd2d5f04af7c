import t from 'tap'
import { momentOf } from '../../src/base/moment.ts'
import { RunTime } from '../../src/revocation/run-time.ts'
import { signalTimeAt } from '../../src/revocation/signal-time.ts'
import type { StoreClock } from '../../src/revocation/store.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { fakeClock } from '../support/clock.ts'
import { aSignal, T0 } from '../support/signals.ts'

t.test('while the signal time is unknown, so is the time when a listing shows every token', async (t) => {
  const clock = fakeClock(T0)
  const at = { steady: clock.monotonic(), wall: clock.now() }
  const known: StoreClock = { clock: 'database', offset: { earliest: T0, latest: T0 } }
  const received = { occurredAt: null, receivedAt: at.steady }
  // Accepted before the tenant's clock was known, and run while the store's clock is unknown because it was just set.
  const signalTime = signalTimeAt(received, { ...at, tenantOffset: null, store: known })
  const revocation = newRevocation('id', { ...aSignal(), signalTime })
  const ahead = T0 - at.steady
  const tenant = { clockOffset: () => ({ earliest: ahead, latest: ahead + 900 }) }
  let store: StoreClock | null = null
  const time = new RunTime(revocation, { clock, tenant, storeClock: () => store })
  clock.advance(60_000)
  t.equal(time.missingNowMs(), null, 'a listing has no due time')
  store = known
  t.equal(time.missingNowMs(), 0)
})

t.test('the clock of the tenant after a sleep does not apply to a listing before it', async (t) => {
  const clock = fakeClock(T0)
  const store: StoreClock = { clock: 'own', offset: { earliest: 0, latest: 0 } }
  const at = { steady: clock.monotonic(), wall: clock.now() }
  const tenantOffset = { earliest: T0 - at.steady, latest: T0 - at.steady }
  const signalTime = signalTimeAt({ occurredAt: null, receivedAt: at.steady }, { ...at, tenantOffset, store })
  const revocation = newRevocation('id', { ...aSignal(), signalTime })
  let slept = 0
  const clockOffset = () => ({ earliest: tenantOffset.earliest + slept, latest: tenantOffset.latest + slept })
  const time = new RunTime(revocation, { clock, tenant: { clockOffset }, storeClock: () => store })
  const beganAt = momentOf(clock)
  t.equal(time.missingMs(beganAt), 6_000)
  slept = 900
  clock.jump(slept)
  t.equal(time.missingMs(beganAt), 6_000, 'a short one is counted')
  slept = 90_000
  clock.jump(slept - 900)
  t.equal(time.missingMs(beganAt), null)
  t.equal(time.missingNowMs(), 0)
})
