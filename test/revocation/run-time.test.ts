import t from 'tap'
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
  t.equal(time.missingMs(clock.monotonic()), null, 'a listing has no due time')
  store = known
  t.equal(time.missingMs(clock.monotonic()), 0)
})
