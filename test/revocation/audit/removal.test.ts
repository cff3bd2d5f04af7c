import t from 'tap'
import type { Head, Position } from '../../../src/revocation/audit/entry.ts'
import { anEvent, ownEvent, Trail, verifyLines } from '../../support/audit-export.ts'
import { KEYS, signedOn } from '../../support/signing.ts'

// What somebody can remove who can write to the database, but does not have the key.

const [A, B, C] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`) as [
  string,
  string,
  string,
]

/** A chain A of three entries that has ended, and a chain B with the signatures of two days. */
function aTrail(deletable: readonly Head[] = []) {
  const trail = new Trail()
  const ends = [trail.list(A, []), trail.add(A, anEvent()), trail.add(A, anEvent())] as const
  const [, , end] = ends
  const started = trail.list(B, [end])
  const signed = trail.add(B, signedOn(27, [end, started]))
  const second = trail.add(B, signedOn(28, [end, signed], deletable))
  return { trail, ends, end, second }
}

/** A checkpoint as retention writes it. */
const checkpoint = (...checkpoints: Head[]) => ownEvent('entries-purged', { checkpoints })

/** The lines without the entries of a chain up to this one. */
const without = (trail: Trail, last: Position) =>
  trail.lines().filter((line) => {
    const { writer, sequence } = JSON.parse(line).entry
    return writer !== last.writer || sequence > last.sequence
  })

const found = async (lines: readonly string[]) => {
  const { found, signedDays } = await verifyLines(lines, [], KEYS.publicKey)
  return { problems: found.map(({ problem, writer, sequence }) => [problem, writer, sequence]), signedDays }
}
const problemsOf = async (lines: readonly string[]) => (await found(lines)).problems

t.test('a chain with a forged checkpoint', async (t) => {
  const { trail, end } = aTrail()
  t.same(await problemsOf(without(trail, end)), [['chain-missing', A, 3]], 'and without one')
  const forged = trail.add(B, checkpoint(end))
  t.same(await problemsOf(without(trail, end)), [['removed-early', A, 3]])
  trail.add(B, signedOn(29, [forged]))
  t.same(await problemsOf(without(trail, end)), [['removed-early', A, 3]], 'even if the checkpoint is signed')
})

t.test('the beginning of a chain with a forged checkpoint', async (t) => {
  const { trail, ends, end } = aTrail()
  const forged = trail.add(B, checkpoint(ends[1]))
  trail.add(B, signedOn(29, [end, forged]))
  const lines = without(trail, ends[1])
  t.same(await problemsOf(lines), [['removed-early', A, 2]])
  const { chains } = await verifyLines(lines, [], KEYS.publicKey)
  t.equal(chains.find(({ writer }) => writer === A)?.verified, null)
})

t.test('more than retention may delete', async (t) => {
  const first = aTrail().ends[0]
  const { trail, ends } = aTrail([first])
  trail.add(B, checkpoint(ends[1]))
  t.same(await problemsOf(without(trail, ends[1])), [['removed-early', A, 2]])
  const { trail: honest } = aTrail([first])
  honest.add(B, checkpoint(first))
  t.same(await problemsOf(without(honest, first)), [])
})

t.test('a checkpoint that continues with another hash', async (t) => {
  const { trail, end } = aTrail([aTrail().end])
  trail.add(B, checkpoint({ ...end, hash: '0'.repeat(64) }))
  t.same(await problemsOf(without(trail, end)), [['head-differs', A, 3]])
})

t.test('the signed heads', async (t) => {
  const { trail, second } = aTrail()
  const last = trail.add(B, anEvent())
  const unsigned = trail.lines().filter((line) => !line.includes('heads-signed'))
  t.same(await problemsOf(unsigned), [
    ['missing', B, 4],
    ['unsigned', null, null],
  ])
  trail.add(B, checkpoint(second), signedOn(29, [last]))
  t.same(
    await problemsOf(without(trail, second)),
    [['removed-early', B, 3]],
    'with all that precedes them, and a forged checkpoint that is signed',
  )
})

t.test('what retention deletes verifies', async (t) => {
  const { trail, end } = aTrail([aTrail().end])
  const purged = trail.add(B, checkpoint(end))
  t.same(await problemsOf(without(trail, end)), [])
  trail.add(B, signedOn(29, [purged]))
  t.same(await problemsOf(without(trail, end)), [])
})

t.test('an entry with a false time does not make a chain old', async (t) => {
  const { trail, end } = aTrail()
  const inserted = trail.add(A, anEvent())
  trail.add(B, signedOn(29, [inserted], [inserted]), checkpoint(inserted))
  t.same(
    await problemsOf(without(trail, inserted)),
    [['removed-early', A, 4]],
    'after the signature of the 28th',
  )
  const { trail: other } = aTrail()
  const born = other.list(C, [end])
  other.add(B, signedOn(29, [born], [born]), checkpoint(born))
  t.same(await problemsOf(without(other, born)), [['removed-early', C, 1]], 'in a chain that did not exist')
})

t.test('nor do false times at the beginning of a chain, before its first signed head', async (t) => {
  const { trail, end } = aTrail()
  const beginning = [trail.list(C, [end]), trail.add(C, anEvent())].at(-1) ?? end
  const head = trail.add(C, anEvent())
  trail.add(B, signedOn(29, [head]), signedOn(30, [head], [beginning]), checkpoint(beginning))
  t.same(await problemsOf(without(trail, beginning)), [['removed-early', C, 2]])
})

t.test('a chain that continues after retention deleted all its entries did exist', async (t) => {
  const trail = new Trail()
  const end = [trail.list(A, []), trail.add(A, anEvent())].at(-1) ?? trail.list(A, [])
  let head = trail.list(B, [end])
  // The entries of A are of the 14th. Signatures from then have expired.
  for (let day = 19; day < 25; day += 1)
    head = trail.add(B, signedOn(day, [head], [end], { retentionDays: 7 }))
  head = trail.add(B, checkpoint(end))
  trail.add(B, signedOn(25, [trail.add(A, anEvent()), head], [end], { retentionDays: 7 }))
  t.same(await problemsOf(without(trail, end)), [])
})

t.test('an entry is accepted as old according to the retention that is signed with it', async (t) => {
  for (const [day, problems] of [
    [29, [['removed-early', A, 4]]],
    [30, []],
  ] as const) {
    const { trail } = aTrail()
    const grown = trail.add(A, anEvent())
    trail.add(B, signedOn(day, [grown], [grown], { retentionDays: 5 }), checkpoint(grown))
    t.same(
      await problemsOf(without(trail, grown)),
      problems,
      `written on the 28th or later, deletable until ${day} + 3 - 5`,
    )
  }
})

t.test('the whole trail, which only a head that is known from elsewhere reveals', async (t) => {
  const { end, trail: replaced } = aTrail()
  const other = new Trail()
  const started = other.list(C, [])
  other.add(C, checkpoint(end), signedOn(29, [started]))
  t.same(await problemsOf(other.lines()), [])
  const { found } = await verifyLines(other.lines(), [end], KEYS.publicKey)
  t.match(found, [{ problem: 'removed-early', writer: A, sequence: 3 }])
  t.equal((await verifyLines(replaced.lines(), [end], KEYS.publicKey)).findings, 0)
})

t.test('the end of the trail is not protected, but the signed days show how far it is', async (t) => {
  const { trail } = aTrail()
  const lines = trail.lines()
  trail.add(B, anEvent())
  const days = ['2026-11-27', '2026-11-28']
  t.same(await found(lines), { problems: [], signedDays: days }, 'without what follows the last signature')
  t.same(await found(lines.slice(0, -1)), { problems: [], signedDays: days.slice(0, 1) })
  const again = new Trail()
  const end = [again.list(A, []), again.add(A, anEvent()), again.add(A, anEvent())].slice(-1)
  again.add(B, ownEvent('chain-started', { heads: end }), signedOn(27, end), signedOn(29, end))
  t.same(await found(again.lines()), { problems: [], signedDays: ['2026-11-27', '2026-11-29'] })
})
