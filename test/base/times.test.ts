import t from 'tap'
import { earliest, latest } from '../../src/base/times.ts'

t.test('the latest and the earliest of several times', async (t) => {
  t.same([latest(), earliest()], [null, null])
  t.same([latest(null, null), earliest(null, null)], [null, null])
  t.same([latest(1, null, 3, 2), earliest(2, null, 1, 3)], [3, 1])
})
