import t from 'tap'
import { RunHistoryWriter } from '../../src/revocation/run-history.ts'
import { fakeClock } from '../support/clock.ts'
import { T0 } from '../support/signals.ts'

t.test('waits of calls at the same time are one, and short waits are left out', async (t) => {
  const clock = fakeClock(T0)
  const history = new RunHistoryWriter(clock)
  const ends = [history.noteWait('budget'), history.noteWait('budget')]
  clock.advance(600)
  ends[0]?.()
  clock.advance(900)
  ends[1]?.()
  const endShort = history.noteWait('other-run')
  clock.advance(999)
  endShort()
  t.same(history.read().waits, [{ what: 'budget', at: T0, ms: 1_500 }])
})

t.test('waits for one reason without a gap are one', async (t) => {
  const clock = fakeClock(T0)
  const history = new RunHistoryWriter(clock)
  const wait = (what: 'budget' | 'listing', ms: number) => {
    const end = history.noteWait(what)
    clock.advance(ms)
    end()
  }
  wait('budget', 2_000)
  clock.advance(999)
  wait('budget', 3_000)
  wait('listing', 4_000)
  wait('budget', 5_000)
  t.same(history.read().waits, [
    { what: 'budget', at: T0, ms: 5_999 },
    { what: 'listing', at: T0 + 5_999, ms: 4_000 },
    { what: 'budget', at: T0 + 9_999, ms: 5_000 },
  ])
})

t.test('listings and waits are limited', async (t) => {
  const clock = fakeClock(T0)
  const history = new RunHistoryWriter(clock)
  for (let index = 0; index < 30; index += 1) {
    history.noteListing({ pages: 2, inScope: new Set(['a']), kept: new Set(), failure: null })
    const end = history.noteWait('listing')
    clock.advance(1_000)
    end()
    clock.advance(1_000)
  }
  t.match(history.read(), { listings: { length: 20 }, waits: { length: 20 } })
  t.same(history.read().listings[0], { at: T0, pages: 2, found: 1, kept: 0, isComplete: true })
})
