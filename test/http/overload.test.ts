import t from 'tap'
import { eventLoopDelay, isOverloaded, processMemory } from '../../src/http/overload.ts'

/** Blocks the thread. */
const block = (ms: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))
/** Longer than the resolution of the measurement each, so that each is measured. */
async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await new Promise((resolve) => setTimeout(resolve, 25))
}

t.test('the delay of the event loop is its median: a single long turn does not count', async (t) => {
  const { read, stop } = eventLoopDelay()
  t.teardown(stop)
  await turns(20)
  t.ok(Number(read()) < 100, 'many short turns')
  block(150)
  await turn()
  t.equal(read(), null, 'too few turns since')
  await turns(20)
  t.ok(Number(read()) < 100, 'one long turn')
  for (let index = 0; index < 5; index += 1) {
    block(150)
    await turn()
  }
  t.ok(Number(read()) >= 100)
})

t.test('memory is overloaded above 85 % of any limit', async (t) => {
  t.equal(isOverloaded([{ used: 85, limit: 100 }]), false)
  t.equal(
    isOverloaded([
      { used: 1, limit: 100 },
      { used: 86, limit: 100 },
    ]),
    true,
  )
  t.match(processMemory(1_000)(), [{ limit: 1_000 }, { limit: Number }])
})
