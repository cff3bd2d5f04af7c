import t from 'tap'
import {
  boundAtFirstClaim,
  type Clocks,
  isPending,
  join,
  resolve,
  SignalTime,
  signalTimeAt,
  tenantTimeOf,
  UNLINKED,
  untilPast,
} from '../../src/revocation/signal-time.ts'

const from = (earliest: number, latest: number) => ({ earliest, latest })
const at = (instant: number) => from(instant, instant)
/** A fully known time. */
const known = (earliest: number, latest: number): SignalTime => ({
  tenant: from(earliest, latest),
  open: null,
  unlinked: false,
})

/**
 * Our wall clock reads 1,000,000 at steady 100,000. The tenant's is 600 s ahead of ours, the store's 20 s ahead of
 * the steady one.
 */
const CLOCKS: Clocks = {
  steady: 100_000,
  wall: 1_000_000,
  tenantOffset: from(1_499_000, 1_500_000),
  store: { clock: 'db', offset: from(19_990, 20_010) },
}
const RECEIVED_AT = 100_000
const UNMEASURED = { ...CLOCKS, tenantOffset: null }
const later = (ms: number): Clocks => ({ ...CLOCKS, steady: CLOCKS.steady + ms, wall: CLOCKS.wall + ms })

t.test('the time of a signal depends on whether its sender sent one, and on the known clocks', async (t) => {
  const ROUGH = { ...CLOCKS, tenantOffset: from(1_492_000, 1_501_000) }
  const NONE = { earliest: null, latest: null }
  for (const [name, occurredAt, clocks, expected] of [
    ['none sent, tenant known: the reception', null, CLOCKS, known(1_599_000, 1_600_000)],
    [
      'sent, agreeing with our clock or the tenant’s: from the earlier to the later reading',
      970_000,
      { ...CLOCKS, tenantOffset: from(899_000, 900_000) },
      known(969_000, 970_000),
    ],
    [
      'the tenant’s clock is 600 s ahead of ours: two readings 600 s apart',
      970_000,
      CLOCKS,
      {
        tenant: null,
        open: {
          clock: 'db',
          received: 120_010,
          asOurs: from(89_990, 90_010),
          asTenants: at(970_000),
          measured: from(970_000, 1_570_000),
        },
        unlinked: false,
      },
    ],
    ['sent, in the future: not after the reception', 1_604_000, CLOCKS, known(1_599_000, 1_600_000)],
    [
      'none sent, tenant unknown: on the store’s clock',
      null,
      UNMEASURED,
      {
        tenant: null,
        open: {
          clock: 'db',
          received: 120_010,
          asOurs: from(119_990, 120_010),
          asTenants: NONE,
          measured: null,
        },
        unlinked: false,
      },
    ],
    [
      'sent, tenant unknown: both readings wait',
      970_000,
      UNMEASURED,
      {
        tenant: null,
        open: {
          clock: 'db',
          received: 120_010,
          asOurs: from(89_990, 90_010),
          asTenants: at(970_000),
          measured: null,
        },
        unlinked: false,
      },
    ],
    [
      'measured imprecisely: to be measured again',
      null,
      ROUGH,
      {
        tenant: null,
        open: {
          clock: 'db',
          received: 120_010,
          asOurs: from(119_990, 120_010),
          asTenants: NONE,
          measured: from(1_592_000, 1_601_000),
        },
        unlinked: false,
      },
    ],
    [
      'measured imprecisely, the store’s clock unknown',
      null,
      { ...ROUGH, store: null },
      known(1_592_000, 1_601_000),
    ],
    ['nothing known', null, { ...UNMEASURED, store: null }, UNLINKED],
  ] as const) {
    const time = signalTimeAt({ occurredAt, receivedAt: RECEIVED_AT }, clocks)
    t.same(time, expected, name)
    t.same(SignalTime.parse(JSON.parse(JSON.stringify(time))), time, 'it can be stored')
  }
})

t.test('a signal counts from its reception, not from when its time was computed', async (t) => {
  t.same(
    signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT }, later(4_000)),
    known(1_599_000, 1_600_000),
  )
})

t.test('an open time is measured as soon as the tenant’s clock is known', async (t) => {
  const unmeasured = signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT }, UNMEASURED)
  t.ok(isPending(unmeasured))
  t.same(tenantTimeOf(unmeasured), from(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY))
  // After 10,000 s the clocks may have drifted apart by 1 s.
  const resolved = resolve(unmeasured, later(10_000_000))
  t.match(resolved, { open: null, unlinked: false })
  const { earliest, latest } = tenantTimeOf(resolved)
  t.ok(Math.abs(earliest - 1_597_980) < 20 && Math.abs(latest - 1_601_020) < 20, `${earliest} to ${latest}`)
  const sent = resolve(signalTimeAt({ occurredAt: 970_000, receivedAt: RECEIVED_AT }, UNMEASURED), CLOCKS)
  t.same(tenantTimeOf(sent), from(970_000, 1_570_020), 'by both readings')
})

t.test('another replica measures it by the shared clock', async (t) => {
  const accepted = signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT }, UNMEASURED)
  const other: Clocks = {
    steady: 7_000_000,
    wall: 40,
    tenantOffset: from(-5_391_000, -5_390_000),
    store: { clock: 'db', offset: from(-6_870_010, -6_869_990) },
  }
  t.same(tenantTimeOf(resolve(accepted, other)), from(1_598_979, 1_600_021))
})

t.test('nothing is measured without the tenant’s clock, or with a different store clock', async (t) => {
  const open = signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT }, UNMEASURED)
  t.equal(resolve(open, UNMEASURED), open)
  t.equal(resolve(open, { ...CLOCKS, store: null }), open)
  t.equal(resolve(open, { ...CLOCKS, store: { clock: 'other', offset: at(0) } }), open)
  t.equal(boundAtFirstClaim(open, 1_000_000, UNMEASURED), open)
  t.equal(boundAtFirstClaim(open, 1_000_000, { ...CLOCKS, store: null }), open, 'it may be the same clock')
  const settled = known(5, 6)
  t.equal(resolve(settled, CLOCKS), settled)
  t.equal(boundAtFirstClaim(settled, 1_000_000, CLOCKS), settled)
})

t.test('an imprecise measurement is repeated', async (t) => {
  const rough = signalTimeAt(
    { occurredAt: null, receivedAt: RECEIVED_AT },
    { ...CLOCKS, tenantOffset: from(1_492_000, 1_501_000) },
  )
  for (const [name, tenantOffset, expected] of [
    ['both readings agree on what is in both', from(1_500_000, 1_503_000), known(1_599_980, 1_601_000)],
    ['contradictory readings leave everything open', from(1_502_000, 1_503_000), from(1_592_000, 1_603_020)],
  ] as const) {
    const again = resolve(rough, { ...CLOCKS, tenantOffset })
    if ('tenant' in expected) t.same(again, expected, name)
    else t.same(tenantTimeOf(again), expected, name)
  }
  const worse = resolve(rough, { ...CLOCKS, tenantOffset: from(1_400_000, 1_600_000) })
  t.equal(worse, rough, 'a less precise reading changes nothing')
})

t.test('joined signals have the later of their times', async (t) => {
  t.same(join(known(10, 20), known(15, 17)), known(15, 20))
  const open = signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT }, UNMEASURED)
  const earlier = signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT - 30_000 }, UNMEASURED)
  t.same(join(earlier, open), open, 'on the store’s clock')
  t.same(join(open, earlier), open)
  const both = join(known(1_610_000, 1_611_000), open)
  t.ok(isPending(both))
  t.same(tenantTimeOf(both), from(1_610_000, Number.POSITIVE_INFINITY), 'known bounds stay')
  t.same(resolve(both, CLOCKS), known(1_610_000, 1_611_000))
})

t.test('each bound of joined signals is the later one, whichever signal has it', async (t) => {
  const received = (offset: ReturnType<typeof from>) =>
    signalTimeAt(
      { occurredAt: null, receivedAt: RECEIVED_AT },
      { ...UNMEASURED, store: { clock: 'db', offset } },
    )
  const exact = received(at(20_000))
  const rough = received(from(19_000, 21_000))
  const clocks = { ...CLOCKS, tenantOffset: at(1_498_000), store: { clock: 'db', offset: at(20_000) } }
  for (const joined of [join(exact, rough), join(rough, exact)]) {
    t.same(tenantTimeOf(resolve(joined, clocks)), from(1_598_000, 1_599_000))
  }
})

t.test('of joined signals on different clocks, the measurable one is measured', async (t) => {
  const dead = signalTimeAt(
    { occurredAt: null, receivedAt: RECEIVED_AT },
    { ...UNMEASURED, store: { clock: 'dead', offset: at(0) } },
  )
  const joined = join(dead, signalTimeAt({ occurredAt: null, receivedAt: RECEIVED_AT + 60_000 }, UNMEASURED))
  const resolved = resolve(joined, later(90_000))
  t.same(tenantTimeOf(resolved), from(1_658_977, Number.POSITIVE_INFINITY), 'the other one is still unknown')
  t.same(boundAtFirstClaim(joined, 1_000_000, later(90_000)), known(1_658_977, 1_690_000))
})

t.test('if nothing links to a signal, the first claim bounds it', async (t) => {
  const claim = later(30_000)
  for (const [name, occurredAt, expected] of [
    ['by a correct clock: by today’s offset it was 30 s ago', 1_000_000, known(1_000_000, 1_630_000)],
    ['by a clock that was 600 s behind', 400_000, known(400_000, 1_630_000)],
    ['by a clock that was 600 s ahead: as is', 1_600_000, known(1_600_000, 1_630_000)],
    ['by a clock that was a day ahead: not after the claim', 87_400_000, known(1_630_000, 1_630_000)],
  ] as const) {
    t.same(boundAtFirstClaim(UNLINKED, occurredAt, claim), expected, name)
  }
  const behind = { ...claim, tenantOffset: from(899_000 - 600_000, 300_000) }
  t.same(
    boundAtFirstClaim(UNLINKED, 1_000_000, behind),
    known(399_000, 430_000),
    'a tenant whose clock is behind ours',
  )
})

t.test(
  'a listing is confirming once the tenant’s clock has certainly passed the last grant’s second',
  async (t) => {
    // The tenant's clock reads at least 1,599,000.
    t.equal(untilPast(1_599_000, CLOCKS), 0)
    t.equal(untilPast(1_599_001, CLOCKS), 1)
    t.equal(untilPast(0, UNMEASURED), null)
    t.equal(untilPast(1_599_500, CLOCKS), 500)
    t.equal(untilPast(1_500_000, CLOCKS), 0)
    t.equal(untilPast(1_500_000, UNMEASURED), null)
  },
)
