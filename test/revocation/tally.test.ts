import t from 'tap'
import { Tallies } from '../../src/revocation/tallies.ts'
import { type Recall, TokenTally } from '../../src/revocation/tally.ts'
import { fakeClock } from '../support/clock.ts'

const NOTHING = { revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }
const FORGOTTEN: Recall = () => null

function listed(inScope: string[], kept: string[] = [], failure: unknown = null) {
  return { inScope: new Set(inScope), kept: new Set(kept), failure }
}

/** The remembered fates: revoked tokens, and which of them are stuck. */
function remembering(revoked: string[], stuck: string[] = []): Recall {
  return (id) =>
    revoked.includes(id) || stuck.includes(id) ? { how: 'revoked', isStuck: stuck.includes(id) } : null
}

t.test('counts revoked, already gone, kept and remaining tokens', async (t) => {
  const tally = new TokenTally(NOTHING)
  tally.note(listed(['a', 'b', 'c'], ['k']), FORGOTTEN)
  t.strictSame(tally.counts, { revoked: 0, alreadyGone: 0, kept: 1, remaining: 3 }, 'initially')
  tally.go('a', 'revoked')
  tally.go('b', 'already-gone')
  t.strictSame(tally.counts, { revoked: 1, alreadyGone: 1, kept: 1, remaining: 1 })
  t.equal(tally.hasProgressed, true)
})

t.test('a lagging list changes no counts; a token that stays listed remains, without progress', async (t) => {
  const tally = new TokenTally(NOTHING)
  tally.note(listed(['a', 'b']), FORGOTTEN)
  tally.go('a', 'revoked')
  tally.go('b', 'revoked')
  tally.note(listed(['a', 'b']), remembering(['a', 'b']))
  t.strictSame(tally.counts, { ...NOTHING, revoked: 2 })
  tally.beginAttempt(tally.counts)
  tally.note(listed(['a']), remembering(['b'], ['a']))
  t.strictSame(tally.counts, { ...NOTHING, revoked: 1, remaining: 1 })
  tally.go('a', 'revoked')
  t.strictSame(tally.counts, { ...NOTHING, revoked: 1, remaining: 1 }, 'its next 204 adds nothing')
  t.equal(tally.hasProgressed, false)
  tally.note(listed([]), remembering(['b'], ['a']))
  t.strictSame(tally.counts, { ...NOTHING, revoked: 2 }, 'revoked once it leaves the list')
})

t.test('a token revoked by another revocation counts as revoked, once', async (t) => {
  const tally = new TokenTally(NOTHING)
  for (let listing = 0; listing < 3; listing += 1) {
    tally.note(listed(['a', 'b']), remembering(['a']))
    t.strictSame(tally.counts, { ...NOTHING, revoked: 1, remaining: 1 })
  }
})

t.test(
  'a token that left the list without this run was revoked by this process, or is already gone',
  async (t) => {
    const tally = new TokenTally(NOTHING)
    tally.note(listed(['a', 'b', 'c']), FORGOTTEN)
    tally.note(listed(['c']), remembering(['a']))
    t.strictSame(tally.counts, { revoked: 1, alreadyGone: 1, kept: 0, remaining: 1 })
  },
)

t.test('only the remaining tokens of an earlier process are looked for', async (t) => {
  const tally = new TokenTally({ revoked: 2, alreadyGone: 0, kept: 1, remaining: 3 })
  t.strictSame(tally.counts, { revoked: 2, alreadyGone: 0, kept: 1, remaining: 3 }, 'nothing is forgotten')
  t.equal(tally.hasProgressed, false)
  tally.note(listed(['a'], [], new Error('the second page')), FORGOTTEN)
  t.strictSame(tally.counts, { revoked: 2, alreadyGone: 0, kept: 1, remaining: 3 })
  tally.note(listed(['a', 'b']), FORGOTTEN)
  t.strictSame(tally.counts, { revoked: 2, alreadyGone: 1, kept: 0, remaining: 2 })
})

t.test('tokens in excess of the remaining ones are new', async (t) => {
  const tally = new TokenTally({ revoked: 2, alreadyGone: 0, kept: 0, remaining: 1 })
  tally.note(listed(['a', 'b', 'c']), FORGOTTEN)
  t.strictSame(tally.counts, { revoked: 2, alreadyGone: 0, kept: 0, remaining: 3 })
})

t.test('a token that turns out to be kept does not count as gone', async (t) => {
  const tally = new TokenTally(NOTHING)
  tally.note(listed(['a', 'b']), FORGOTTEN)
  tally.note(listed(['b'], ['a']), FORGOTTEN)
  t.strictSame(tally.counts, { revoked: 0, alreadyGone: 0, kept: 1, remaining: 1 })
})

t.test('the next attempt continues the tally if it matches the stored counts', async (t) => {
  const clock = fakeClock()
  const tallies = new Tallies(clock)
  const first = tallies.resume({ id: 'r', tokens: NOTHING })
  first.note(listed(['a', 'b']), FORGOTTEN)
  first.go('a', 'revoked')
  tallies.keep('r', first)
  const tokens = { ...first.counts }
  t.equal(tallies.resume({ id: 'r', tokens }), first)
  t.equal(first.hasProgressed, false, 'a separate attempt')
  tallies.keep('r', first)
  t.not(tallies.resume({ id: 'r', tokens: { ...tokens, revoked: 2 } }), first, 'another process has counted')
  t.not(tallies.resume({ id: 'another', tokens }), first)
  tallies.keep('r', first)
  clock.advance(600_000)
  const later = tallies.resume({ id: 'r', tokens })
  t.not(later, first, 'too old')
  t.strictSame(later.counts, tokens)
})

t.test('tokens found by a confirming listing are looked for, and no token counts twice', async (t) => {
  const tally = new TokenTally(NOTHING)
  tally.note(listed(['a', 'b']), FORGOTTEN)
  for (const id of ['a', 'b']) tally.go(id, 'revoked')
  tally.note(listed([]), remembering(['a', 'b']))
  // It found two: a new one, and one that the list shows again.
  tally.beginAttempt({ kept: 0, remaining: 2 })
  t.strictSame(tally.counts, { ...NOTHING, revoked: 2, remaining: 2 })
  tally.note(listed(['b', 'c']), remembering(['a', 'b']))
  t.strictSame(tally.counts, { ...NOTHING, revoked: 2, remaining: 1 })
  tally.go('c', 'revoked')
  tally.note(listed([]), remembering(['a', 'b', 'c']))
  t.strictSame(tally.counts, { ...NOTHING, revoked: 3 })
})

t.test('tallies use bounded memory', async (t) => {
  const tallies = new Tallies(fakeClock())
  const ids = Array.from({ length: 100_001 }, (_, index) => `token-${index}`)
  const kept = ['r1', 'r2'].map((id) => {
    const tally = new TokenTally(NOTHING)
    tally.note(listed(ids), FORGOTTEN)
    tallies.keep(id, tally)
    return tally
  })
  const tokens = { ...NOTHING, remaining: ids.length }
  t.not(tallies.resume({ id: 'r1', tokens }), kept[0])
  t.equal(tallies.resume({ id: 'r2', tokens }), kept[1])
})
