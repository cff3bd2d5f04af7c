import fc from 'fast-check'
import t from 'tap'
import { fitsMinute, perMinute } from '../../../src/qlik/budget/minute-limit.ts'
import { type RecentCall, RecentCalls } from '../../../src/qlik/budget/recent-calls.ts'

const WINDOW = { limit: 500, windowMs: 300_000 }
const MINUTE = 60_000
const FITS = { started: 104, mostAccepted: 100, askedMs: 41_000 }

t.test('a minute is a fifth of the window', async (t) => {
  t.same(perMinute(WINDOW), { limit: 100, windowMs: MINUTE })
  t.same(perMinute({ limit: 3, windowMs: 5 }), { limit: 1, windowMs: 1 })
})

t.test('a refusal fits a limit per minute only if all evidence does', async (t) => {
  for (const [change, expected] of [
    [{}, true],
    [{ askedMs: 60_000 }, true],
    [{ mostAccepted: 40 }, true],
    [{ started: 101 }, true],
    [{ started: 100 }, false],
    [{ started: 200 }, true],
    [{ started: 201 }, false],
    [{ mostAccepted: 101 }, false],
    [{ askedMs: 60_001 }, false],
    [{ askedMs: null }, false],
  ] as const)
    t.equal(fitsMinute({ ...FITS, ...change }, WINDOW), expected, JSON.stringify(change))
  t.notOk(fitsMinute({ ...FITS, started: 2, mostAccepted: 1 }, { ...WINDOW, limit: 4 }), 'too few to tell')
})

t.test('counts the calls of the last minute, and the most that were accepted within one', async (t) => {
  const recent = new RecentCalls(MINUTE)
  const calls = [0, 1, 2].map((at) => recent.begin(at))
  t.same(recent.counts(3), { started: 3, mostAccepted: 0 })
  for (const call of calls.slice(0, 2)) recent.accept(call, 10)
  t.same(recent.counts(10), { started: 3, mostAccepted: 2 })
  const late = recent.begin(MINUTE + 1)
  t.same(recent.counts(MINUTE + 1), { started: 2, mostAccepted: 2 }, 'two have left the minute')
  recent.accept(calls[2] ?? late, MINUTE + 2)
  t.same(recent.counts(MINUTE + 2), { started: 1, mostAccepted: 2 }, 'it may have been counted earlier')
  recent.accept(late, MINUTE + 3)
  t.equal(recent.lastAcceptedStart, MINUTE + 1)
  t.same(recent.counts(25 * 60 * MINUTE), { started: 0, mostAccepted: 0 }, 'evidence lasts a day')
})

t.test('a tenant that evaluates each minute is never found to have accepted more', async () => {
  const gaps = fc.array(fc.record({ gap: fc.nat(3_000), wait: fc.nat(30_000), answer: fc.nat(90_000) }), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(gaps, (calls) => {
      const LIMIT = 10
      const recent = new RecentCalls(MINUTE)
      const steps: { at: number; what: () => void }[] = []
      const counted: number[] = []
      let start = 0
      for (const { gap, wait, answer } of calls) {
        start += gap
        const startedAt = start
        let call: RecentCall | null = null
        let isAccepted = false
        const arrivedAt = startedAt + wait
        const endedAt = arrivedAt + answer
        const begin = () => {
          call = recent.begin(startedAt)
        }
        const arrive = () => {
          isAccepted = counted.filter((at) => at > arrivedAt - MINUTE).length < LIMIT
          if (isAccepted) counted.push(arrivedAt)
        }
        steps.push({ at: startedAt, what: begin })
        steps.push({ at: arrivedAt, what: arrive })
        steps.push({ at: endedAt, what: () => void (isAccepted && call && recent.accept(call, endedAt)) })
      }
      steps.sort((one, other) => one.at - other.at)
      for (const { what } of steps) what()
      return recent.counts(steps.at(-1)?.at ?? 0).mostAccepted <= LIMIT
    }),
  )
})
