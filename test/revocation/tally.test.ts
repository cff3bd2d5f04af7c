import t from 'tap'
import { TokenTally } from '../../src/revocation/tally.ts'

const NOTHING = { revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }

t.test('counts what goes, what was gone, what is kept and what remains', async (t) => {
  const tally = new TokenTally(NOTHING)
  tally.beginUser()
  tally.beginSweep()
  for (const id of ['a', 'b', 'c']) t.equal(tally.list(id), true)
  tally.keep()
  tally.go('a', 'revoked')
  tally.go('b', 'already-gone')
  t.strictSame(tally.counts, { revoked: 1, alreadyGone: 1, kept: 1, remaining: 1 })
  t.equal(tally.hasProgressed, true)
})

t.test('a token that stays listed is neither gone nor progress', async (t) => {
  const tally = new TokenTally(NOTHING)
  tally.beginSweep()
  tally.list('a')
  tally.go('a', 'revoked')
  tally.beginSweep()
  t.equal(tally.list('a'), false)
  tally.stop()
  t.strictSame(tally.counts, { ...NOTHING, remaining: 1 })
  t.equal(tally.hasProgressed, false)
})

t.test('what remained and is listed no more went without being seen', async (t) => {
  const tally = new TokenTally({ revoked: 2, alreadyGone: 0, kept: 1, remaining: 3 })
  tally.beginSweep()
  tally.list('a')
  tally.go('a', 'revoked')
  tally.complete()
  t.strictSame(tally.counts, { revoked: 3, alreadyGone: 2, kept: 0, remaining: 0 })
})

t.test('an attempt that ends before it has listed anything forgets nothing', async (t) => {
  const tally = new TokenTally({ revoked: 2, alreadyGone: 0, kept: 0, remaining: 3 })
  tally.stop()
  t.strictSame(tally.counts, { revoked: 2, alreadyGone: 0, kept: 0, remaining: 3 })
  t.equal(tally.hasProgressed, false)
})

t.test("each sweep counts what is kept anew, and several users' are added up", async (t) => {
  const tally = new TokenTally(NOTHING)
  for (const sweeps of [2, 3]) {
    tally.beginUser()
    for (let sweep = 0; sweep < sweeps; sweep += 1) {
      tally.beginSweep()
      tally.keep()
    }
  }
  t.equal(tally.counts.kept, 2)
})
