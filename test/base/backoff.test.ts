import t from 'tap'
import { backoffMs, LONGEST_WAIT_MS } from '../../src/base/backoff.ts'

t.test('the wait is a random fraction of a time that doubles up to five minutes', async (t) => {
  const longest = [1, 2, 3, 8, 9, 10, 5_000].map((failures) => Math.round(backoffMs(failures, 0.9999999)))
  t.same(longest, [1_000, 2_000, 4_000, 128_000, 256_000, 300_000, 300_000])
  t.equal(backoffMs(9, 0), 0)
  t.equal(backoffMs(2, 0.25), 500)
})

t.test('a longer requested wait is used, up to one hour', async (t) => {
  t.equal(backoffMs(1, 0.5, 60_000), 60_000)
  t.equal(backoffMs(1, 0.5, 100), 500)
  t.equal(backoffMs(1, 0.5, 10 * LONGEST_WAIT_MS), 3_600_000)
})
