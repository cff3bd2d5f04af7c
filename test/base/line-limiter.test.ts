import t from 'tap'
import { LineLimiter } from '../../src/base/line-limiter.ts'
import { fakeClock } from '../support/clock.ts'

const EVERY_MS = 60_000

function limiterOf({ maxTopics = 100, maxDetails = 100 } = {}) {
  const clock = fakeClock()
  const limiter = new LineLimiter({ everyMs: EVERY_MS, maxTopics, maxDetails, clock })
  const lines = (topic: string, ...details: (string | null)[]) =>
    details.map((detail) => limiter.note(topic, detail))
  return { clock, lines }
}

t.test('a topic has one line a minute, with the number of those left out', async (t) => {
  const { clock, lines } = limiterOf()
  t.same(lines('a', null, null, null), [0, null, null])
  t.same(lines('b', null), [0], 'another topic')
  clock.advance(EVERY_MS - 1)
  t.same(lines('a', null), [null])
  clock.advance(1)
  t.same(lines('a', null, null), [3, null])
})

t.test('each detail has its own line', async (t) => {
  const { clock, lines } = limiterOf()
  t.same(lines('a', 'x', 'x', 'y', 'y'), [0, null, 1, null])
  t.same(lines('b', 'x'), [0])
  clock.advance(EVERY_MS)
  t.same(lines('a', 'y', 'x', 'x'), [1, 0, null])
})

t.test('above the maximum, new details share one line per topic', async (t) => {
  const { clock, lines } = limiterOf({ maxDetails: 2 })
  t.same(lines('a', 'x', 'y', 'z', 'w'), [0, 0, null, null])
  t.same(lines('b', 'z', 'w'), [0, null], 'a quiet topic still gets a line')
  clock.advance(EVERY_MS - 1)
  t.same(lines('a', 'x', 'z'), [null, null])
  clock.advance(1)
  t.same(lines('a', 'z', 'w', 'x'), [4, 0, null], 'old details make room')
  t.same(lines('b', 'x'), [1])
})

t.test('it remembers a bounded number of topics', async (t) => {
  const { lines } = limiterOf({ maxTopics: 2 })
  t.same(lines('a', null, null), [0, null])
  lines('b', null)
  lines('c', null)
  t.same(lines('c', null), [null])
  t.same(lines('a', null), [0], 'the oldest was forgotten')
})
