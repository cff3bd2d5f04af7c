import t from 'tap'
import { ClockOffset } from '../../src/base/clock-offset.ts'
import { steadyClock } from '../../src/base/steady-clock.ts'
import { type Decision, decideToken, grantScopeOf } from '../../src/revocation/scope.ts'
import {
  boundAtFirstClaim,
  type Clocks,
  join,
  resolve,
  type SignalTime,
  signalTimeAt,
  tenantTimeOf,
} from '../../src/revocation/signal-time.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { T0 } from '../support/signals.ts'

const MINUTE = 60_000
const AT_ONCE = { earliest: 0, latest: 0 }

/** Real time: a tenant, and processes with their own clocks, all advancing together. */
function aWorld({ tenantAhead = 0 } = {}) {
  const real = fakeClock(T0)
  const clocks: FakeClock[] = [real]
  const advance = (ms: number) => {
    for (const clock of clocks) clock.advance(ms)
  }
  /** While asleep, a process's monotonic clock stands still and its wall clock does not. */
  const sleep = ({ clock: asleep }: { clock: FakeClock }, ms: number) => {
    for (const clock of clocks) {
      if (clock === asleep) clock.jump(ms)
      else clock.advance(ms)
    }
  }
  const tenantNow = () => real.now() + tenantAhead

  /** A process whose wall clock is this far ahead. Without a database, it has its own store. */
  function aProcess({ ahead = 0, database }: { ahead?: number; database?: string } = {}) {
    const clock = fakeClock(real.now() + ahead)
    // No two monotonic clocks start at the same value.
    clock.advance(clocks.length * 12_345)
    clock.jump(clocks.length * -12_345)
    clocks.push(clock)
    const offset = new ClockOffset(clock)
    const steady = steadyClock(clock)
    return {
      clock,
      /** Calls the tenant; the response arrives `backMs` after its Date. */
      ask({ backMs = 20 } = {}) {
        const end = offset.begin()
        advance(10)
        const date = Math.floor(tenantNow() / 1000) * 1000
        advance(backMs)
        end({ earliest: date, latest: date + 1000 })
      },
      clocks(): Clocks {
        const shift = real.now() - clock.monotonic()
        return {
          steady: clock.monotonic(),
          wall: clock.now(),
          tenantOffset: offset.interval(),
          store: database
            ? { clock: database, offset: { earliest: shift - 2, latest: shift + 2 } }
            : { clock: steady.id(), offset: AT_ONCE },
        }
      },
      accept(sentTime: number | null = null): { time: SignalTime; occurredAt: number } {
        const clocks = this.clocks()
        const time = signalTimeAt({ occurredAt: sentTime, receivedAt: clocks.steady }, clocks)
        return { time, occurredAt: sentTime ?? clocks.wall }
      },
    }
  }

  /** What happens to tokens granted at these real times, as of now. */
  function verdicts(
    time: SignalTime,
    reason: 'logout' | 'security',
    grants: number[],
  ): Decision['verdict'][] {
    const scope = grantScopeOf(
      { scope: 'issued-before', deviceType: null, reason },
      tenantTimeOf(time),
      false,
    )
    return grants.map((at) => {
      const seconds = Math.floor((at + tenantAhead) / 1000)
      const id = `${seconds.toString(16).padStart(8, '0')}249304d27e7f7000`
      return decideToken({ id, deviceType: null }, scope, tenantNow()).verdict
    })
  }
  return { advance, sleep, aProcess, verdicts, now: real.now }
}

t.test(
  'a signal follows the tenant’s clock, whatever the clocks of the accepting and running processes',
  async (t) => {
    for (const ahead of [-MINUTE, MINUTE, -10 * MINUTE, 0]) {
      for (const isMeasuredAtAccept of [true, false]) {
        const world = aWorld()
        const a = world.aProcess({ ahead, database: 'shared' })
        const b = world.aProcess({ database: 'shared' })
        if (isMeasuredAtAccept) a.ask()
        const { time, occurredAt } = a.accept()
        const loggedOutAt = world.now()
        world.advance(90_000)
        b.ask()
        const claimed = boundAtFirstClaim(time, occurredAt, b.clocks())
        t.same(
          world.verdicts(claimed, 'logout', [loggedOutAt - MINUTE, loggedOutAt - 1_000, loggedOutAt + 7_000]),
          ['revoke', 'revoke', 'keep'],
          `${ahead} ms ahead, ${isMeasuredAtAccept ? '' : 'not '}measured`,
        )
      }
    }
  },
)

t.test('a signal accepted with a clock 10 min behind, then a restart with a correct clock', async (t) => {
  const world = aWorld()
  const before = world.aProcess({ ahead: -10 * MINUTE })
  const unmeasured = before.accept()
  before.ask()
  const measured = before.accept()
  const loggedOutAt = world.now()
  world.advance(30_000)
  const after = world.aProcess()
  after.ask()
  const grants = [loggedOutAt - 11 * MINUTE, loggedOutAt - MINUTE, loggedOutAt + 10_000]
  const claimed = (known: typeof measured) => boundAtFirstClaim(known.time, known.occurredAt, after.clocks())
  t.same(world.verdicts(claimed(measured), 'logout', grants), ['revoke', 'revoke', 'keep'])
  t.same(
    world.verdicts(claimed(unmeasured), 'logout', grants),
    ['revoke', 'undecided', 'undecided'],
    'it ended before measuring its clock: visibly unverified',
  )
  t.same(world.verdicts(claimed(unmeasured), 'security', grants), ['revoke', 'revoke', 'revoke'])
})

t.test('a wall clock that is set while running changes nothing', async (t) => {
  for (const step of [-10 * MINUTE, 10 * MINUTE]) {
    const world = aWorld()
    const process = world.aProcess()
    process.ask()
    world.advance(5_000)
    process.clock.jump(step)
    const { time } = process.accept()
    const loggedOutAt = world.now()
    world.advance(7_000)
    process.ask()
    t.same(
      world.verdicts(resolve(time, process.clocks()), 'logout', [loggedOutAt - 1_000, loggedOutAt + 6_500]),
      ['revoke', 'keep'],
      `${step} ms`,
    )
  }
})

t.test('if the machine sleeps before the signal is measured, it stays open until the claim', async (t) => {
  const world = aWorld()
  const process = world.aProcess()
  const { time, occurredAt } = process.accept()
  const loggedOutAt = world.now()
  world.sleep(process, MINUTE)
  process.ask()
  const claimed = boundAtFirstClaim(time, occurredAt, process.clocks())
  t.same(
    world.verdicts(claimed, 'logout', [loggedOutAt - 1_000, loggedOutAt + 30_000, loggedOutAt + 66_000]),
    ['revoke', 'undecided', 'keep'],
  )
})

t.test('a response that arrives 8 s after its Date', async (t) => {
  const world = aWorld()
  const process = world.aProcess()
  process.ask({ backMs: 8_000 })
  const { time, occurredAt } = process.accept()
  const loggedOutAt = world.now()
  const grants = [loggedOutAt - 20_000, loggedOutAt - 1_000, loggedOutAt + 9_500]
  t.same(
    world.verdicts(time, 'logout', grants),
    ['revoke', 'undecided', 'keep'],
    'the interval contains the true instant',
  )
  process.ask()
  const claimed = boundAtFirstClaim(time, occurredAt, process.clocks())
  t.same(world.verdicts(claimed, 'logout', grants), ['revoke', 'revoke', 'keep'], 'a fast response decides')
})

t.test('with a tenant 10 min behind and a repeated logout, a login 30 s later is kept', async (t) => {
  const world = aWorld({ tenantAhead: -10 * MINUTE })
  const process = world.aProcess()
  process.ask()
  const first = process.accept()
  let { time } = first
  for (let repeated = 0; repeated < 3; repeated += 1) {
    world.advance(200)
    time = join(time, process.accept().time)
  }
  const loggedOutAt = world.now()
  t.same(world.verdicts(time, 'logout', [loggedOutAt - 1_000, loggedOutAt + 30_000]), ['revoke', 'keep'])
  const sent = join(time, process.accept(first.occurredAt).time)
  t.same(
    world.verdicts(sent, 'logout', [loggedOutAt - 1_000, loggedOutAt + 30_000]),
    ['revoke', 'keep'],
    'also if the sender sends the time',
  )
})
