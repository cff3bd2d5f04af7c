import t from 'tap'
import { LearnedLimits } from '../../../src/qlik/budget/learned-limits.ts'
import type { LearnedLimit, Permits } from '../../../src/qlik/budget/permit-log.ts'
import { fakeClock } from '../../support/clock.ts'

const WINDOW = 300_000
const LIMITS = { windowMs: WINDOW, ceiling: 500 }
const OF = { origin: 'https://a', tier: 2 } as const
const NEVER = Number.NEGATIVE_INFINITY

const LOG: Permits = {
  history: async () => ({ permits: [], blockedUntil: null }),
  note: async () => {},
  block: async () => {},
  unblock: async () => {},
}
const EXCHANGE: Permits = {
  exchange: () => Promise.reject(new Error('not asked for')),
  block: async () => {},
  blocks: async () => [],
}

/** Learned limits over a store of this kind; a read returns `stored`, or fails while `isAway`. */
function setUp(kind: Permits) {
  const clock = fakeClock()
  const store = { stored: [] as LearnedLimit[], isAway: false, reads: 0 }
  const warnings: string[] = []
  const note = (_details: object, message: string) => void warnings.push(message)
  const permits: Permits = {
    ...kind,
    async learnedLimits() {
      store.reads += 1
      if (store.isAway) throw new Error('away')
      return store.stored
    },
    learnLimit: async () => {},
  }
  const log = { info: note, warn: note, error: note }
  const qlik = { lastAcceptedStart: NEVER }
  const limits = new LearnedLimits({
    ...{ permits, clock, log },
    lastAcceptedStart: () => qlik.lastAcceptedStart,
    onChange: () => {},
  })
  const pass = async (ms: number) => {
    clock.advance(ms)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { clock, store, warnings, qlik, limits, pass }
}

t.test('a limit is not lowered again before Qlik has accepted a call', async (t) => {
  const { clock, limits } = setUp(LOG)
  const lastAcceptedStart = clock.monotonic()
  clock.advance(1_000)
  t.ok(limits.isNewEvent(OF, NEVER), 'nothing is known')
  t.equal(limits.lower(OF, LIMITS, 60_000), 350)
  for (let minute = 0; minute < 20; minute += 1) {
    clock.advance(60_000)
    t.notOk(limits.isNewEvent(OF, lastAcceptedStart))
  }
  t.ok(limits.isNewEvent({ ...OF, tier: 1 }, lastAcceptedStart), 'the other tier')
  t.ok(limits.isNewEvent(OF, clock.monotonic() - 1))
  t.equal(limits.lower(OF, LIMITS, 60_000), 244)
})

t.test('a limit rises from the first accepted call that started after it was learned', async (t) => {
  const { clock, qlik, limits } = setUp(LOG)
  limits.lower(OF, LIMITS, 60_000)
  qlik.lastAcceptedStart = clock.monotonic()
  clock.advance(20 * WINDOW)
  t.equal(limits.limit(OF, LIMITS), 350, 'Qlik has only refused calls')
  qlik.lastAcceptedStart = clock.monotonic()
  t.equal(limits.limit(OF, LIMITS), 350)
  clock.advance(WINDOW)
  qlik.lastAcceptedStart = clock.monotonic()
  t.equal(limits.limit(OF, LIMITS), 367, 'later calls change nothing')
  clock.advance(WINDOW)
  t.equal(limits.lower(OF, LIMITS, 60_000), Math.floor(385 * 0.7))
  clock.advance(20 * WINDOW)
  t.equal(limits.limit(OF, LIMITS), Math.floor(385 * 0.7), 'the next limit waits again')
})

t.test(
  'a stored limit has risen since it was learned, one that another replica learns has not',
  async (t) => {
    const { clock, store, qlik, limits, pass } = setUp(EXCHANGE)
    t.teardown(() => limits.stop())
    store.stored = [{ ...OF, calls: 350, ageMs: 2 * WINDOW }]
    await limits.start()
    t.equal(limits.limit(OF, LIMITS), 385)
    store.stored = [{ ...OF, calls: 269, ageMs: 0 }]
    await pass(2_000)
    store.stored = []
    await pass(20 * WINDOW)
    t.equal(limits.limit(OF, LIMITS), 269)
    qlik.lastAcceptedStart = clock.monotonic()
    t.equal(limits.limit(OF, LIMITS), 269)
    await pass(WINDOW)
    t.equal(limits.limit(OF, LIMITS), 282)
  },
)

t.test('refusals within the requested wait, and within 10 s, belong to the same event', async (t) => {
  for (const [waitMs, sameEventMs] of [
    [1_000, 10_000],
    [60_000, 60_000],
  ] as const) {
    const { clock, limits } = setUp(LOG)
    limits.limitByMinute(OF, 100, waitMs)
    clock.advance(sameEventMs - 1)
    t.notOk(limits.isNewEvent(OF, clock.monotonic()))
    clock.advance(1)
    t.ok(limits.isNewEvent(OF, clock.monotonic()))
  }
})

t.test('a replica does not lower a limit that another has just learned', async (t) => {
  const { clock, store, limits, pass } = setUp(EXCHANGE)
  t.teardown(() => limits.stop())
  await limits.start()
  const lastAcceptedStart = clock.monotonic()
  await pass(1_000)
  store.stored = [{ ...OF, calls: 350, ageMs: 100 }]
  await pass(1_000)
  t.equal(limits.limit(OF, LIMITS), 350)
  store.stored = []
  await pass(20 * 60_000)
  t.notOk(limits.isNewEvent(OF, lastAcceptedStart))
  t.ok(limits.isNewEvent(OF, clock.monotonic() - 1))
})

t.test('reading its own limit back does not make it newer', async (t) => {
  const { clock, store, limits, pass } = setUp(EXCHANGE)
  t.teardown(() => limits.stop())
  await limits.start()
  limits.lower(OF, LIMITS, 60_000)
  const lastAcceptedStart = clock.monotonic() + 1
  // Stored 1 s after it was learned.
  store.stored = [{ ...OF, calls: 350, ageMs: 1_000 }]
  await pass(2_000)
  store.stored = []
  await pass(12_000)
  t.notOk(limits.isNewEvent(OF, lastAcceptedStart), 'the requested wait is still known')
  await pass(46_000)
  t.ok(limits.isNewEvent(OF, lastAcceptedStart))
})

t.test('the first read is repeated until it succeeds', async (t) => {
  const { store, warnings, limits, pass } = setUp(LOG)
  store.isAway = true
  await limits.start()
  await pass(2_000)
  t.equal(store.reads, 2)
  t.same(warnings, Array(2).fill('could not read the learned rate limits; retrying'))
  store.isAway = false
  store.stored = [{ ...OF, calls: 350, ageMs: 0 }]
  await pass(2_000)
  t.equal(limits.limit(OF, LIMITS), 350)
  await pass(20_000)
  t.equal(store.reads, 3, 'no other process writes limits')
})

t.test('only other processes require further reads, until it stops', async (t) => {
  const { store, limits, pass } = setUp(EXCHANGE)
  await limits.start()
  await pass(2_000)
  await pass(2_000)
  t.equal(store.reads, 3)
  limits.stop()
  await pass(20_000)
  t.equal(store.reads, 3)
})
