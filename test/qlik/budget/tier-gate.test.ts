import t from 'tap'
import { LocalLedger } from '../../../src/qlik/budget/local-ledger.ts'
import type { PermitLog } from '../../../src/qlik/budget/permit-log.ts'
import { type Permit, TierGate } from '../../../src/qlik/budget/tier-gate.ts'
import type { Place } from '../../../src/revocation/schedule.ts'
import { fakeClock } from '../../support/clock.ts'

function setUp({ limit = 2, concurrency = 10, windowMs = 1_000 } = {}) {
  const clock = fakeClock()
  const permits: PermitLog = {
    history: async () => ({ permits: [], blockedUntil: null }),
    note: async () => {},
    block: async () => {},
    unblock: async () => {},
  }
  const key = { origin: 'https://a', tenant: 'default', client: 'c', tier: 2 } as const
  const onFailure = () => {}
  const ledger = new LocalLedger({ key, limit, windowMs, timeoutMs: 100, permits, clock, onFailure })
  const gate = new TierGate(ledger, concurrency, (end) => clock.after(100, end))
  const granted: string[] = []
  const drawn: Permit[] = []
  const draw = (name: string, urgency = 1, signal = new AbortController().signal, place?: Place) =>
    gate.draw({ urgency, signal, place }).then((permit) => {
      granted.push(name)
      drawn.push(permit)
      return permit
    })
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  return { clock, ledger, granted, permits: drawn, draw, settle }
}

t.test('admits a burst immediately, and the rest as the window frees up', async (t) => {
  const { clock, ledger, granted, permits, draw, settle } = setUp()
  for (const name of ['a', 'b', 'c', 'd']) draw(name)
  await settle()
  t.same(granted, ['a', 'b'])
  t.equal(ledger.remaining(), 0)
  clock.advance(50)
  for (const permit of permits) permit.end(true)
  clock.advance(1_000)
  await settle()
  t.same(granted, ['a', 'b'], 'not before the margin has passed')
  clock.advance(5)
  await settle()
  t.same(granted, ['a', 'b', 'c', 'd'])
})

t.test('the most urgent call goes first, then the first in line', async (t) => {
  const { clock, granted, permits, draw, settle } = setUp({ limit: 1 })
  draw('first')
  for (const [name, urgency] of [
    ['expired', 2],
    ['logout', 1],
    ['later logout', 1],
    ['security', 0],
    ['token', -1],
  ] as const) {
    draw(name, urgency)
  }
  for (let index = 0; index < 5; index += 1) {
    await settle()
    permits.at(-1)?.end(true)
    clock.advance(1_005)
  }
  await settle()
  t.same(granted, ['first', 'token', 'security', 'logout', 'later logout', 'expired'])
})

t.test('of equally urgent calls, that of the user with the fewest remaining tokens goes first', async (t) => {
  const { clock, granted, permits, draw, settle } = setUp({ limit: 1 })
  const never = new AbortController().signal
  draw('first')
  draw('many', 1, never, { remaining: 3, since: 1 })
  draw('few', 1, never, { remaining: 2, since: 2 })
  for (let index = 0; index < 2; index += 1) {
    await settle()
    permits.at(-1)?.end(true)
    clock.advance(1_005)
  }
  await settle()
  t.same(granted, ['first', 'few', 'many'])
})

t.test('limits the calls under way; the end of one admits the next', async (t) => {
  const { granted, permits, draw, settle } = setUp({ limit: 100, concurrency: 2 })
  for (const name of ['a', 'b', 'c']) draw(name)
  await settle()
  t.same(granted, ['a', 'b'])
  permits[0]?.end(true)
  permits[0]?.end(true)
  await settle()
  t.same(granted, ['a', 'b', 'c'], 'ending twice counts once')
})

t.test('a call that is not made returns its permit', async (t) => {
  const { granted, permits, draw, settle } = setUp({ limit: 1 })
  draw('a')
  draw('b')
  await settle()
  permits[0]?.cancel()
  await settle()
  t.same(granted, ['a', 'b'])
})

t.test('a block holds all calls until its end; a shorter one does not shorten it', async (t) => {
  const { clock, ledger, granted, draw, settle } = setUp()
  ledger.block(60_000)
  ledger.block(10)
  draw('a')
  clock.advance(59_999)
  await settle()
  t.same(granted, [])
  t.equal(ledger.remaining(), 0)
  clock.advance(6)
  await settle()
  t.same(granted, ['a'])
})

t.test('after a block one call goes first, and the others once it has passed', async (t) => {
  const { clock, ledger, granted, permits, draw, settle } = setUp({ limit: 10 })
  ledger.block(1_000)
  for (const name of ['a', 'b', 'c']) draw(name)
  clock.advance(1_005)
  await settle()
  t.same(granted, ['a'])
  t.equal(clock.untilNextTimer(), null, 'the others wait for its end, not for a timer')
  clock.advance(10)
  permits[0]?.end(true)
  await settle()
  t.same(granted, ['a', 'b', 'c'])
})

t.test('no call goes alongside a probe that is refused, has no response or is not made', async (t) => {
  const { clock, ledger, granted, permits, draw, settle } = setUp({ limit: 10 })
  ledger.block(1_000)
  for (const name of ['a', 'b', 'c', 'd', 'e']) draw(name)
  clock.advance(1_005)
  await settle()
  ledger.block(2_000)
  permits[0]?.end(false)
  clock.advance(2_000)
  await settle()
  t.same(granted, ['a'])
  clock.advance(5)
  await settle()
  t.same(granted, ['a', 'b'])
  permits[1]?.end(false)
  await settle()
  t.same(granted, ['a', 'b', 'c'])
  permits[2]?.cancel()
  await settle()
  t.same(granted, ['a', 'b', 'c', 'd'])
})

t.test('calls from before the block end without opening the tier', async (t) => {
  const { clock, ledger, granted, permits, draw, settle } = setUp({ limit: 10 })
  draw('before')
  await settle()
  ledger.block(1_000)
  for (const name of ['a', 'b']) draw(name)
  clock.advance(1_005)
  await settle()
  permits[0]?.end(true)
  await settle()
  t.same(granted, ['before', 'a'])
})

t.test('a caller that gives up leaves the queue and sets no timer', async (t) => {
  const { clock, granted, permits, draw, settle } = setUp({ limit: 1 })
  draw('a')
  await settle()
  permits[0]?.end(true)
  const giveUp = new AbortController()
  const waiting = draw('b', 1, giveUp.signal)
  giveUp.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  t.equal(clock.untilNextTimer(), null)
  await t.rejects(draw('c', 1, AbortSignal.abort(new Error('already'))), { message: 'already' })
  t.same(granted, ['a'])
})
