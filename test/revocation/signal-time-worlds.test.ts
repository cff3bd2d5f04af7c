import fc from 'fast-check'
import t from 'tap'
import { widthOf } from '../../src/base/interval.ts'
import {
  boundAtFirstClaim,
  type Clocks,
  isPending,
  join,
  resolve,
  type SignalTime,
  signalTimeAt,
  tenantTimeOf,
} from '../../src/revocation/signal-time.ts'

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never

/** How far the clocks are ahead of real time, in ms. */
const World = fc.record({
  tenant: fc.integer({ min: -3_600_000, max: 3_600_000 }),
  wall: fc.integer({ min: -3_600_000, max: 3_600_000 }),
  database: fc.integer({ min: -3_600_000, max: 3_600_000 }),
  /** The monotonic clock of each process. */
  steady: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: -1e9, max: 1e9 }))),
  /** Whether each process has its own store, or all share the database. */
  sharesDatabase: fc.boolean(),
})
type World = ValueOf<typeof World>
const process = fc.integer({ min: 0, max: 2 })
const slack = fc.tuple(fc.integer({ min: 0, max: 6_000 }), fc.integer({ min: 0, max: 6_000 }))
const Knowledge = fc.record({
  process,
  tenant: fc.option(slack, { freq: 2 }),
  store: fc.option(slack, { freq: 9 }),
})

const Step = fc.oneof(
  fc.record({
    kind: fc.constant('signal' as const),
    knowledge: Knowledge,
    /** How long ago the session ended, and which clock the sender's agrees with; null if it sends no time. */
    sent: fc.option(
      fc.record({ agoMs: fc.integer({ min: 0, max: 600_000 }), clock: fc.constantFrom('ours', 'tenants') }),
    ),
  }),
  fc.record({ kind: fc.constantFrom('resolve', 'claim'), knowledge: Knowledge, which: fc.nat() }),
  fc.record({ kind: fc.constant('join' as const), which: fc.nat(), other: fc.nat() }),
)

/** What a process knows at this real time: less than the truth, but nothing wrong. */
function clocksAt(world: World, real: number, { process, tenant, store }: ValueOf<typeof Knowledge>): Clocks {
  const steady = Number(world.steady[process])
  const around = (truth: number, [below, above]: [number, number]) => ({
    earliest: truth - below,
    latest: truth + above,
  })
  const own = { clock: `process ${process}`, offset: { earliest: 0, latest: 0 } }
  const shared = store && { clock: 'database', offset: around(world.database - steady, store) }
  return {
    steady: real + steady,
    wall: real + world.wall,
    tenantOffset: tenant && around(world.tenant - steady, tenant),
    store: world.sharesDatabase ? shared : own,
  }
}

interface Known {
  time: SignalTime
  /** The instant, in the tenant's time. */
  truth: number
  /** The revocation's `occurredAt`. */
  occurredAt: number
}

const holds = ({ time, truth }: Known) => {
  const { earliest, latest } = tenantTimeOf(time)
  return earliest <= truth && truth <= latest
}

/** The result of a step; false if known information was lost or wrong. */
function take(world: World, queue: Known[], step: ValueOf<typeof Step>, real: number): boolean {
  if (step.kind === 'signal') {
    const clocks = clocksAt(world, real, step.knowledge)
    const instant = real - (step.sent?.agoMs ?? 0)
    const occurredAt = step.sent && instant + (step.sent.clock === 'ours' ? world.wall : world.tenant)
    const time = signalTimeAt({ occurredAt, receivedAt: clocks.steady }, clocks)
    queue.push({
      time,
      truth: instant + world.tenant,
      occurredAt: Math.min(occurredAt ?? clocks.wall, clocks.wall),
    })
  } else if (queue.length > 0) {
    const place = step.which % queue.length
    const known = queue[place] as Known
    if (step.kind === 'join') {
      const [other] = queue.splice(step.other % queue.length, 1) as [Known]
      if (other === known) queue.push(known)
      else {
        const joined = join(known.time, other.time)
        const [mine, theirs, both] = [known.time, other.time, joined].map(tenantTimeOf)
        if (!mine || !theirs || !both) return false
        if (both.earliest !== Math.max(mine.earliest, theirs.earliest)) return false
        if (both.latest !== Math.max(mine.latest, theirs.latest)) return false
        known.time = joined
        known.truth = Math.max(known.truth, other.truth)
        known.occurredAt = Math.max(known.occurredAt, other.occurredAt)
      }
    } else {
      const clocks = clocksAt(world, real, step.knowledge)
      const before = known.time
      if (step.kind === 'resolve') known.time = resolve(before, clocks)
      else known.time = boundAtFirstClaim(before, known.occurredAt, clocks)
      const canTell = clocks.tenantOffset !== null && clocks.store !== null
      if (step.kind === 'claim' && canTell && isPending(known.time)) return false
      if (!isPending(before) && widthOf(tenantTimeOf(known.time)) > widthOf(tenantTimeOf(before)))
        return false
    }
  }
  return queue.every(holds)
}

t.test(
  'joining, measuring and claiming in any order keeps the true instant inside the interval',
  async (t) => {
    const property = fc.property(
      World,
      fc.array(fc.tuple(Step, fc.integer({ min: 0, max: 60_000 })), {
        minLength: 1,
        maxLength: 30,
        size: 'max',
      }),
      (world, steps) => {
        const queue: Known[] = []
        let real = 1e12
        return steps.every(([step, pauseMs]) => {
          real += pauseMs
          return take(world, queue, step, real)
        })
      },
    )
    t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000 }))
  },
)
