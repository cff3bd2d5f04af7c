import t from 'tap'
import { sharedWork } from '../../src/base/shared-work.ts'
import { TokenBucket } from '../../src/base/token-bucket.ts'
import { fakeClock } from '../support/clock.ts'

t.test('callers share the work in progress, and its result once the rate is used up', async (t) => {
  const clock = fakeClock()
  let count = 0
  const work = sharedWork(async () => ++count, new TokenBucket({ capacity: 2, perSecond: 1, clock }))
  t.same(await Promise.all([work(), work(), work()]), [1, 1, 1])
  t.equal(await work(), 2)
  t.equal(await work(), 2, 'used up')
  clock.advance(1_000)
  t.equal(await work(), 3)
})

t.test('a failure is shared, but not kept', async (t) => {
  const clock = fakeClock()
  let count = 0
  const fail = async () => {
    count += 1
    throw new Error(`failure ${count}`)
  }
  const work = sharedWork(fail, new TokenBucket({ capacity: 1, perSecond: 1, clock }))
  const both = [work(), work()]
  for (const one of both) await t.rejects(one, { message: 'failure 1' })
  await t.rejects(work(), { message: 'failure 2' })
})
