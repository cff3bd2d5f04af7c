import t from 'tap'
import {
  difference,
  hullOf,
  Interval,
  intersect,
  laterOf,
  midpointOf,
  shift,
  widen,
  widthOf,
} from '../../src/base/interval.ts'

const from = (earliest: number, latest: number) => ({ earliest, latest })

t.test('intervals are shifted, widened and compared by both ends', async (t) => {
  t.equal(widthOf(from(2, 7)), 5)
  t.equal(midpointOf(from(2, 7)), 4.5)
  t.same(shift(from(2, 7), from(-1, 10)), from(1, 17))
  t.same(widen(from(2, 7), 3), from(-1, 10))
  t.same(hullOf(from(2, 7), from(9, 10)), from(2, 10))
})

t.test('a difference contains the result for any two values', async (t) => {
  t.same(difference(from(10, 20), from(1, 4)), from(6, 19))
})

t.test('two intervals of one instant intersect or contradict each other', async (t) => {
  t.same(intersect(from(2, 7), from(5, 9)), from(5, 7))
  t.same(intersect(from(2, 7), from(7, 9)), from(7, 7))
  t.equal(intersect(from(2, 7), from(8, 9)), null)
})

t.test('the later of two instants is not before either', async (t) => {
  t.same(laterOf(from(2, 7), from(8, 9)), from(8, 9))
  t.same(laterOf(from(2, 7), from(1, 9)), from(2, 9))
  t.same(laterOf(from(2, 7), from(1, 3)), from(2, 7))
})

t.test('what is stored must be an interval', async (t) => {
  t.same(Interval.parse(from(2, 2)), from(2, 2))
  for (const other of [
    from(3, 2),
    from(Number.NaN, 2),
    from(2, Number.POSITIVE_INFINITY),
    { earliest: 2 },
    null,
  ]) {
    t.equal(Interval.safeParse(other).success, false, JSON.stringify(other))
  }
})
