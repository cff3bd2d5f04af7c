import fc from 'fast-check'
import t from 'tap'
import { classOf, earliestOfAll, eligible, type Member, poolFreeAt } from '../../src/qlik/pool.ts'

const member = (clientId: string, power: Member['power'], refusedAt: number | null = null): Member => ({
  clientId,
  power,
  refusedAt,
})
const names = (members: readonly Member[]) => members.map(({ clientId }) => clientId)
const noRoom = () => 0

t.test('only clients of the best class make calls', async (t) => {
  const proven = [member('a', 'proven'), member('b', 'proven')]
  const doubtful = [member('c', 'unknown'), member('d', 'not-checked')]
  const out = [member('e', 'lacking'), member('f', 'proven', 5), member('g', 'unknown', 3)]
  for (const [members, expected] of [
    [
      [...doubtful, ...out, ...proven],
      ['a', 'b'],
    ],
    [
      [...out, ...doubtful],
      ['c', 'd'],
    ],
    [out, ['g']],
    [out.slice(1), ['g']],
    [[], []],
  ] as const) {
    t.same(names(eligible(members, new Set(), noRoom)), expected, JSON.stringify(members))
  }
})

t.test('a client that failed to make a call is not asked again, nor one that is out', async (t) => {
  const [a, b, c] = [member('a', 'proven'), member('b', 'proven'), member('c', 'proven', 1)]
  t.same(names(eligible([a, b, c], new Set([a]), noRoom)), ['b'])
  t.same(names(eligible([a, b, c], new Set([a, b]), noRoom)), [])
})

t.test('clients with more room come first, equal ones in the order of the configuration', async (t) => {
  const room: Record<string, number> = { a: 3, b: 7, c: 7 }
  const members = ['a', 'b', 'c'].map((id) => member(id, 'proven'))
  t.same(names(eligible(members, new Set(), ({ clientId }) => room[clientId] ?? 0)), ['b', 'c', 'a'])
})

t.test('of all clients, any one that works is found, and none that does not is used beside it', async () => {
  const anyMember = fc.record({
    clientId: fc.string(),
    power: fc.constantFrom('proven', 'unknown', 'lacking', 'not-checked'),
    refusedAt: fc.option(fc.integer()),
  })
  const anyPool = fc.array(fc.tuple(anyMember, fc.boolean()), { maxLength: 6 })
  fc.assert(
    fc.property(anyPool, (pool) => {
      const members = pool.map(([one]) => one)
      const without = new Set(pool.flatMap(([one, isTried]) => (isTried ? [one] : [])))
      const found = eligible(members, without, noRoom)
      const works = members.filter((one) => classOf(one) !== 'out' && !without.has(one))
      if (works.length > 0 && found.length === 0) return false
      if (works.length > 0 && found.some((one) => classOf(one) === 'out')) return false
      if (without.size === 0 && members.length > 0 && found.length === 0) return false
      return found.every((one) => !without.has(one)) && new Set(found.map(classOf)).size <= 1
    }),
  )
})

t.test('an estimate is the start of the last call, each made by the first client with room', async () => {
  const anyStarts = fc.array(fc.array(fc.nat(50), { minLength: 20, maxLength: 20 }), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(anyStarts, fc.integer({ min: 1, max: 20 }), (starts, calls) => {
      const sorted = starts.map((times) => times.sort((a, b) => a - b))
      const freeAts = sorted.map((times) => (nth: number) => times[nth - 1] ?? Number.POSITIVE_INFINITY)
      const expected = sorted.flat().sort((a, b) => a - b)[calls - 1]
      return poolFreeAt(freeAts, calls) === expected
    }),
  )
})

t.test('a pool waits for the first of its clients, and not if one can make a call', async (t) => {
  t.equal(earliestOfAll([5, 3, 9]), 3)
  t.equal(earliestOfAll([5, null, 9]), null)
})
