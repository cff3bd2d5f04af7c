import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { LARGEST_DIVERGENCE_MS, steadyClock } from '../../src/base/steady-clock.ts'
import { fakeClock } from '../support/clock.ts'

t.test('the steady clock never steps, whatever happens to the wall clock', async (t) => {
  const clock = fakeClock()
  const steady = steadyClock(clock)
  const before = steady.now()
  clock.jump(-600_000)
  t.equal(steady.now(), before)
  clock.advance(1_500)
  t.equal(steady.now(), before + 1_500)
})

t.test('readings have one id until wall clock and monotonic clock diverge', async (t) => {
  for (const jump of [-600_000, -1_001, 1_001, 600_000]) {
    const clock = fakeClock()
    const steady = steadyClock(clock)
    const id = steady.id()
    clock.advance(24 * 60 * 60_000)
    t.equal(steady.id(), id, 'time that passes for both is no divergence')
    clock.jump(Math.sign(jump) * LARGEST_DIVERGENCE_MS)
    t.equal(steady.id(), id, 'nor is what NTP does')
    clock.jump(jump - Math.sign(jump) * LARGEST_DIVERGENCE_MS)
    t.not(steady.id(), id, `${jump} ms`)
    t.equal(steady.id(), steady.id())
  }
})

t.test('no two processes have the same id', async (t) => {
  t.not(steadyClock(systemClock).id(), steadyClock(systemClock).id())
})
