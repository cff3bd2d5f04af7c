import t, { type Test } from 'tap'
import type { ExchangeAnswer, ExchangeRequest, PermitExchange } from '../../../src/qlik/budget/permit-log.ts'
import { SharedLedger } from '../../../src/qlik/budget/shared-ledger.ts'
import { fakeClock } from '../../support/clock.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A ledger with an exchange that returns what the test defines, and records its requests. */
function setUp(t: Test, answers: (Partial<ExchangeAnswer> | Error)[], onAsked = (_asked: number) => {}) {
  const clock = fakeClock()
  let frozen = 0
  const asked: ExchangeRequest[] = []
  const blocks: number[] = []
  const failures: unknown[] = []
  const permits: PermitExchange = {
    async exchange(request) {
      asked.push(request)
      onAsked(asked.length)
      const answer = answers.shift() ?? {}
      if (answer instanceof Error) throw answer
      return { granted: 0, waitMs: 0, remaining: 0, isProbe: false, blockedMs: null, ...answer }
    },
    async block(_key, ms) {
      blocks.push(ms)
    },
    blocks: async () => [],
  }
  const ledger = new SharedLedger({
    key: { origin: 'https://a', tenant: 'default', client: 'c', tier: 2 },
    limit: 10,
    windowMs: 1_000,
    timeoutMs: 100,
    permits,
    clock: { ...clock, monotonic: () => clock.monotonic() + frozen },
    onFailure: (error) => failures.push(error),
  })
  t.teardown(() => ledger.close())
  let calls = 0
  const want = (count: number) => ledger.whenRoom(count, () => (calls += 1))
  /** Time in which no timer runs, as in a suspended process. */
  const freeze = (ms: number) => {
    frozen += ms
  }
  return { clock, freeze, ledger, asked, blocks, failures, want, called: () => calls }
}

t.test('requests the wanted permits and a few spare ones immediately', async (t) => {
  const { ledger, asked, want, called } = setUp(t, [{ granted: 7 }])
  t.equal(ledger.room(), 0)
  want(3)
  await settle()
  await settle()
  t.match(asked, [{ wanted: 7, held: 0, ended: 0, limit: 10, windowMs: 1_000 }])
  t.equal(called(), 1)
  t.equal(ledger.room(), 7)
})

t.test('reports which calls have ended, and what is still held', async (t) => {
  const { clock, ledger, asked, want } = setUp(t, [{ granted: 3 }, { granted: 5 }])
  want(1)
  await settle()
  await settle()
  for (let index = 0; index < 3; index += 1) ledger.begin()
  ledger.end()
  clock.advance(30)
  ledger.end()
  clock.advance(20)
  want(1)
  await settle()
  await settle()
  t.match(asked[1], { held: 1, ended: 2, endedAgoMs: 20 })
})

t.test('returns unused permits, and reports ended calls, after a while', async (t) => {
  const { clock, ledger, asked, want } = setUp(t, [{ granted: 5 }])
  want(1)
  await settle()
  await settle()
  ledger.begin()
  ledger.end()
  clock.advance(250)
  await settle()
  t.match(asked[1], { wanted: 0, held: 0, ended: 1, endedAgoMs: 250 })
  t.equal(ledger.room(), 0)
  clock.advance(10_000)
  await settle()
  t.equal(asked.length, 2, 'then no more exchanges')
})

t.test('keeps permits longer while the window has ample room', async (t) => {
  const { clock, ledger, asked, want } = setUp(t, [{ granted: 5, remaining: 5 }])
  want(1)
  await settle()
  await settle()
  ledger.begin()
  ledger.end()
  clock.advance(1_999)
  await settle()
  t.equal(asked.length, 1)
  clock.advance(1)
  await settle()
  t.match(asked[1], { wanted: 0, held: 0, ended: 1, endedAgoMs: 2_000 })
})

t.test('a process that was suspended does not use its old permits', async (t) => {
  const { freeze, ledger, want } = setUp(t, [{ granted: 5 }])
  want(1)
  await settle()
  await settle()
  freeze(1_999)
  t.equal(ledger.room(), 5)
  freeze(1)
  t.equal(ledger.room(), 0)
})

t.test('without permits, it asks again at the given time, and not before', async (t) => {
  const { clock, ledger, asked, want, called } = setUp(t, [{ granted: 0, waitMs: 400 }, { granted: 2 }])
  want(2)
  await settle()
  await settle()
  t.equal(called(), 0)
  t.equal(ledger.remaining(), 0)
  t.equal(ledger.usedUpUntil(), clock.monotonic() + 400)
  clock.advance(399)
  await settle()
  t.equal(asked.length, 1)
  clock.advance(1)
  await settle()
  await settle()
  t.same([asked.length, called(), ledger.room()], [2, 1, 2])
  t.equal(ledger.usedUpUntil(), null)
})

t.test('while the window is used up, it asks every 5 s for permits that others return', async (t) => {
  const { clock, ledger, asked, want, called } = setUp(t, [
    { waitMs: 60_000 },
    { waitMs: 55_000 },
    { granted: 1 },
  ])
  const pass = async (ms: number) => {
    clock.advance(ms)
    await settle()
    await settle()
  }
  want(1)
  await pass(0)
  for (const count of [2, 3]) {
    await pass(4_999)
    t.equal(asked.length, count - 1)
    await pass(1)
    t.match(asked[count - 1], { held: 0, wanted: 5 })
    t.equal(asked.length, count)
  }
  t.equal(called(), 1)
  t.equal(ledger.room(), 1)
})

t.test('while the tier is blocked, it asks only at the end of the block', async (t) => {
  const { clock, asked, want } = setUp(t, [{ waitMs: 60_000, blockedMs: 60_000 }])
  want(1)
  await settle()
  await settle()
  t.equal(clock.untilNextTimer(), 60_000)
  t.equal(asked.length, 1)
})

t.test('reports what other processes leave, unless an exchange is newer', async (t) => {
  const { clock, ledger, want } = setUp(t, [{ granted: 2, remaining: 7 }])
  ledger.observe(1, clock.monotonic())
  t.equal(ledger.remaining(), 1)
  const readAt = clock.monotonic()
  clock.advance(1)
  want(1)
  ledger.observe(0, clock.monotonic())
  await settle()
  await settle()
  ledger.observe(0, readAt)
  t.equal(ledger.remaining(), 9, 'the answer, and not reads that began before it')
  ledger.observe(3, clock.monotonic())
  t.equal(ledger.remaining(), 5, 'a later read, and the permits in stock')
})

t.test('the permit of a call that is not made stays available', async (t) => {
  const { ledger, want } = setUp(t, [{ granted: 2 }])
  want(2)
  await settle()
  await settle()
  ledger.begin()
  ledger.cancel()
  t.equal(ledger.room(), 2)
})

t.test('a block stops all calls here, and is reported to the others', async (t) => {
  const { clock, ledger, asked, blocks, want } = setUp(t, [{ granted: 5 }, { granted: 1 }])
  want(1)
  await settle()
  await settle()
  await ledger.block(5_000)
  t.same([ledger.room(), blocks], [0, [5_000]])
  want(1)
  clock.advance(4_999)
  await settle()
  t.equal(asked.length, 1)
  clock.advance(1)
  await settle()
  t.equal(asked.length, 2)
})

t.test('a block holds, whatever an exchange under way returns', async (t) => {
  for (const answer of [{ granted: 5 }, new Error('away')]) {
    const { clock, ledger, asked, want, called } = setUp(t, [answer, { granted: 1 }])
    want(1)
    const blocked = ledger.block(5_000)
    await settle()
    await settle()
    await blocked
    t.same([asked.length, ledger.room(), called()], [1, 0, 0])
    clock.advance(4_999)
    await settle()
    t.same([asked.length, ledger.room(), called()], [1, 0, 0])
    clock.advance(1)
    await settle()
    await settle()
    t.same([asked.length, ledger.room(), called()], [2, 1, 1])
  }
})

t.test('a permit returned during a block is not used', async (t) => {
  const { ledger, want } = setUp(t, [{ granted: 5 }])
  want(1)
  await settle()
  await settle()
  ledger.begin()
  await ledger.block(5_000)
  ledger.cancel()
  t.equal(ledger.room(), 0)
})

t.test('a block of another process is learned with the next exchange', async (t) => {
  const { clock, ledger, asked, want } = setUp(t, [{ blockedMs: 5_000, waitMs: 5_000 }, { granted: 1 }])
  t.equal(ledger.blockedUntil(), null)
  want(1)
  await settle()
  await settle()
  t.equal(ledger.blockedUntil(), clock.monotonic() + 5_000)
  t.equal(ledger.usedUpUntil(), null, 'the window is not the reason')
  clock.advance(5_000)
  await settle()
  t.equal(ledger.blockedUntil(), null)
  t.equal(asked.length, 2)
})

t.test('the probe is reported while it is held, and immediately once it has passed', async (t) => {
  const { clock, ledger, asked, want, called } = setUp(t, [
    { granted: 1, isProbe: true, blockedMs: 0, waitMs: 100 },
    { blockedMs: 0, waitMs: 100 },
    { granted: 3 },
  ])
  want(2)
  await settle()
  await settle()
  t.same([called(), ledger.room()], [1, 1])
  t.equal(ledger.begin(), true)
  want(1)
  clock.advance(100)
  await settle()
  await settle()
  t.match(asked[1], { probe: 'held', held: 1 })
  ledger.end()
  ledger.probed(true)
  await settle()
  await settle()
  t.match(asked[2], { probe: 'passed', held: 0, ended: 1 })
  t.equal(ledger.room(), 3)
  t.equal(ledger.begin(), false)
  clock.advance(250)
  await settle()
  t.match(asked[3], { probe: 'none' })
})

t.test('a passed probe is reported even without own demand, because others wait', async (t) => {
  const { ledger, asked, want } = setUp(t, [
    { granted: 1, isProbe: true, blockedMs: 0 },
    new Error('away'),
    {},
  ])
  want(1)
  await settle()
  await settle()
  ledger.begin()
  ledger.end()
  ledger.probed(true)
  await settle()
  await settle()
  t.match(asked[1], { probe: 'passed' })
  await settle()
  await settle()
  t.match(asked[2], { probe: 'passed' }, 'reported again, because the exchange failed')
})

t.test('a probe that failed or was not made is returned', async (t) => {
  for (const close of ['end', 'cancel'] as const) {
    const { clock, ledger, asked, want } = setUp(t, [{ granted: 1, isProbe: true, blockedMs: 0 }])
    want(1)
    await settle()
    await settle()
    ledger.begin()
    ledger[close]()
    ledger.probed(false)
    t.equal(ledger.room(), 0)
    want(1)
    clock.advance(100)
    await settle()
    t.match(asked[1], { probe: 'none', held: 0 }, close)
  }
})

t.test('a failed probe is returned even without own demand', async (t) => {
  const { clock, ledger, asked, want } = setUp(t, [{ granted: 1, isProbe: true, blockedMs: 0 }])
  want(1)
  await settle()
  await settle()
  t.equal(ledger.begin(), true)
  ledger.cancel()
  ledger.probed(false)
  clock.advance(250)
  await settle()
  t.match(asked[1], { wanted: 0, held: 0, probe: 'none' })
  clock.advance(10_000)
  await settle()
  t.equal(asked.length, 2)
})

t.test('an unused probe is returned, and so are permits granted before the block', async (t) => {
  const { clock, ledger, asked, want } = setUp(t, [
    { granted: 5 },
    { granted: 1, isProbe: true, blockedMs: 0 },
    {},
  ])
  want(1)
  await settle()
  await settle()
  t.equal(ledger.room(), 5)
  want(6)
  await settle()
  await settle()
  t.equal(ledger.room(), 1, 'no call alongside the probe')
  clock.advance(250)
  await settle()
  t.match(asked[2], { probe: 'none', held: 0, wanted: 0 })
})

t.test(
  'new limits apply from the next exchange; permits granted under the old ones are returned',
  async (t) => {
    const limits = { limit: 7, windowMs: 2_000, timeoutMs: 300 }
    const { ledger, asked, want } = setUp(
      t,
      [{ granted: 5, remaining: 5 }, { granted: 1 }, { granted: 2 }],
      (count) => {
        if (count === 2) ledger.change({ ...limits, limit: 3 })
      },
    )
    want(1)
    await settle()
    await settle()
    ledger.change(limits)
    t.equal(ledger.room(), 0)
    t.equal(ledger.remaining(), 2)
    want(1)
    await settle()
    await settle()
    t.match(asked[1], { held: 0, limit: 7, windowMs: 2_000, leaseMs: 5_300 })
    t.match(asked[2], { held: 0, limit: 3 })
    t.equal(ledger.room(), 2, 'permits of the exchange under way are not used')
  },
)

t.test('a failed exchange is repeated, without losing anything', async (t) => {
  const { clock, ledger, asked, failures, want, called } = setUp(t, [
    { granted: 1 },
    new Error('away'),
    { granted: 1 },
  ])
  want(1)
  await settle()
  await settle()
  ledger.begin()
  ledger.end()
  want(1)
  await settle()
  await settle()
  t.match(failures, [{ message: 'away' }])
  t.equal(called(), 1, 'no call without a permit')
  clock.advance(500)
  await settle()
  await settle()
  t.match(asked[2], { ended: 1, held: 0 })
  t.equal(called(), 2)
})

t.test('closing returns everything', async (t) => {
  const { ledger, asked, want } = setUp(t, [{ granted: 5 }])
  want(1)
  await settle()
  await settle()
  await ledger.close()
  t.match(asked[1], { wanted: 0, held: 0 })
})

t.test('estimates when a number of calls could have started', async (t) => {
  const { clock, ledger, want } = setUp(t, [{ granted: 2, remaining: 3 }])
  t.equal(ledger.freeAt(10), clock.monotonic())
  want(1)
  await settle()
  await settle()
  t.equal(ledger.freeAt(5), clock.monotonic())
  t.equal(ledger.freeAt(6), clock.monotonic() + 1_000)
  t.equal(ledger.freeAt(16), clock.monotonic() + 2_000)
})

t.test('is open until a block, and again once a call of any process has passed', async (t) => {
  const { clock, ledger, want } = setUp(t, [
    { blockedMs: 1_000, waitMs: 1_000 },
    { blockedMs: 0, waitMs: 500 },
    { granted: 1 },
    { granted: 1, isProbe: true, blockedMs: 0 },
  ])
  const ask = async (ms: number) => {
    clock.advance(ms)
    await settle()
    await settle()
    return ledger.hasRecovered()
  }
  t.ok(ledger.hasRecovered())
  want(1)
  t.notOk(await ask(0), 'blocked')
  t.notOk(await ask(1_000), 'another process has the probe')
  t.ok(await ask(500), 'which has passed')
  await ledger.block(1_000)
  t.notOk(ledger.hasRecovered())
  want(1)
  t.notOk(await ask(1_000))
  t.ok(ledger.begin(), 'the probe')
  t.notOk(ledger.hasRecovered())
  ledger.probed(true)
  t.ok(ledger.hasRecovered())
})

t.test('a block remains, even if the answer to an exchange under way does not include it', async (t) => {
  let block = () => {}
  const { ledger, want } = setUp(t, [{}], () => block())
  block = () => void ledger.block(1_000)
  want(1)
  await settle()
  await settle()
  t.notOk(ledger.hasRecovered())
})
