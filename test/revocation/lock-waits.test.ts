import t from 'tap'
import { LockWaits } from '../../src/revocation/lock-waits.ts'
import { fakeClock } from '../support/clock.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('asks again when a run ends, and every 250 ms', async (t) => {
  const clock = fakeClock()
  const waits = new LockWaits(clock)
  let asked = 0
  const taking = waits.take(async () => ++asked === 3, new AbortController().signal)
  await turn()
  t.equal(asked, 1)
  waits.noteEnd()
  await turn()
  t.equal(asked, 2)
  clock.advance(249)
  await turn()
  t.equal(asked, 2)
  clock.advance(1)
  await taking
  t.equal(asked, 3)
  t.equal(clock.untilNextTimer(), null)
})

t.test('rejects when the run is stopped', async (t) => {
  const clock = fakeClock()
  const stop = new AbortController()
  const taking = new LockWaits(clock).take(async () => false, stop.signal)
  await turn()
  stop.abort(new Error('stopped'))
  await t.rejects(taking, { message: 'stopped' })
  t.equal(clock.untilNextTimer(), null)
})
