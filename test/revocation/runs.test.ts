import t from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { Runs } from '../../src/revocation/runs.ts'
import type { Reason } from '../../src/revocation/signal.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { aSignal } from '../support/signals.ts'

const DOWN = { code: 'CURFEW_QLIK_UNAVAILABLE' } as const
let serial = 0

function aRevocation(tenant: string, reason: Reason = 'logout', size: number | null = null): Revocation {
  serial += 1
  return { ...newRevocation(`r${serial}`, aSignal({ tenant, reason })), size }
}

t.test('each tenant has its share of the room, for each reason separately', async (t) => {
  const runs = new Runs(() => 2)
  runs.begin(aRevocation('a'))
  runs.begin(aRevocation('a'))
  runs.begin(aRevocation('b'))
  const { logout, security } = runs.room(0)
  t.equal(logout.perTenant, 2)
  t.same(
    [...logout.exceptions],
    [
      ['a', 0],
      ['b', 1],
    ],
  )
  t.equal(security.exceptions.size, 0)
  t.equal(security.total - logout.total, 3)
})

t.test('a run that ends makes room', async (t) => {
  const runs = new Runs(() => 1)
  const run = runs.begin(aRevocation('a'))
  runs.end(run)
  t.ok(runs.isEmpty)
  t.equal(runs.room(0).logout.exceptions.size, 0)
})

t.test('a failing tenant gets one run at a time until one succeeds', async (t) => {
  const runs = new Runs(() => 5)
  const revocation = aRevocation('a')
  runs.failing.note('a', DOWN, 0)
  t.same([...runs.room(0).logout.exceptions], [['a', 1]])
  const run = runs.begin(revocation)
  t.same([...runs.room(0).logout.exceptions], [['a', 0]])
  runs.end(run)
  runs.failing.note('a', null, 0)
  t.equal(runs.room(0).logout.exceptions.size, 0)
})

t.test('after ten failures in a row, a tenant is tried once a second, then less often', async (t) => {
  const runs = new Runs(() => 5)
  const roomAt = (now: number) => runs.room(now).logout.exceptions.get('a')
  for (let count = 1; count < 10; count += 1) runs.failing.note('a', DOWN, 0)
  t.same([roomAt(0), runs.failing.resumesAt(0)], [1, null])
  runs.failing.note('a', DOWN, 0)
  t.same([roomAt(0), roomAt(999), roomAt(1_000), runs.failing.resumesAt(0)], [0, 0, 1, 1_000])
  runs.failing.note('a', DOWN, 1_000)
  t.equal(runs.failing.resumesAt(1_000), 3_000)
  for (let count = 0; count < 100; count += 1) runs.failing.note('a', DOWN, 5_000)
  t.equal(runs.failing.resumesAt(5_000), 15_000)
  runs.failing.note('a', null, 15_000)
  t.same([roomAt(15_000), runs.failing.resumesAt(15_000)], [undefined, null])
})

t.test('many hanging runs leave room for others', async (t) => {
  const runs = new Runs(() => 32)
  for (let tenant = 0; tenant < 20; tenant += 1) {
    for (let count = 0; count < 32; count += 1) runs.begin(aRevocation(`t${tenant}`))
  }
  t.ok(runs.room(0).logout.total > 32)
})

t.test('a lost revocation that is claimed again stops its old run', async (t) => {
  const runs = new Runs(() => 2)
  const revocation = aRevocation('a')
  const before = runs.begin(revocation)
  const after = runs.begin(revocation)
  t.same([before.stop.signal.aborted, after.stop.signal.aborted], [true, false])
  runs.end(before)
  t.notOk(runs.isEmpty, 'the end of the lost run does not end the new one')
  runs.stopAll()
  t.ok(after.stop.signal.aborted)
})

t.test('runs that fit into the next window leave room for the oldest', async (t) => {
  const runs = new Runs(
    () => 2,
    () => 10,
  )
  const sizes = [4, 5, 5, 5, null]
  const begun = sizes.map((size) => runs.begin(aRevocation('a', 'logout', size)))
  t.same(
    begun.map(({ isBySize }) => isBySize),
    [true, true, true, false, false],
  )
  t.same([...runs.room(0).logout.exceptions], [['a', 0]])
  for (const run of begun) run.remaining = run.revocation.size ?? 7
  const { bySize } = runs.room(0).logout
  t.equal(bySize?.take('a', [1, 3, 4, 5]), 2, 'as far as they fit')
  t.equal(bySize?.take('a', [0, 0, 0, 0]), 2, 'and as many as may list at the same time')
  t.equal(bySize?.take('b', [1, 3, 7, 7]), 2)
  runs.failing.note('a', DOWN, 0)
  t.equal(runs.room(0).logout.bySize?.take('a', [0]), 0, 'a failing tenant gets one run at a time')
  t.same(runs.tokens(), new Map([['a', 26]]))
})
