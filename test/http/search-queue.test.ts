import t from 'tap'
import { SearchQueue } from '../../src/http/search-queue.ts'
import { fakeClock } from '../support/clock.ts'

const KIB = 1024

function aQueue() {
  const clock = fakeClock()
  let refused = 0
  const queue = new SearchQueue({
    bytesPerSecond: 1_000,
    clock,
    refused: () => {
      refused += 1
    },
  })
  const ended: string[] = []
  /** A search that finds something if it has a name. */
  const search = (name: string, { failures = 0, bytes = 1, cost = 1_000, finds = false } = {}) =>
    queue
      .run({ bytes, cost, failures }, () => (finds ? name : null))
      .then(
        () => ended.push(name),
        ({ code }) => ended.push(`${name} ${code}`),
      )
  /** Uses up the budget. */
  const useUp = () => search('first', { cost: 3_000 })
  const settle = async (ms: number) => {
    clock.advance(ms)
    await new Promise(setImmediate)
  }
  return { ended, search, useUp, settle, refusals: () => refused }
}

t.test('within the budget, searches run at once; beyond it, one at a time', async (t) => {
  const { ended, search, useUp, settle } = aQueue()
  await useUp()
  search('b', { failures: 1 })
  search('c', { failures: 1, cost: 500 })
  search('a')
  await settle(1_000)
  t.same(ended, ['first'])
  await settle(1)
  t.same(ended, ['first', 'a'], 'few failures first')
  await settle(1_000)
  t.same(ended, ['first', 'a', 'c'], 'then the cheapest')
  await settle(500)
  t.same(ended, ['first', 'a', 'c', 'b'])
})

t.test('a search that finds something costs nothing', async (t) => {
  const { ended, search, useUp, settle } = aQueue()
  await useUp()
  for (const name of ['a', 'b', 'c']) search(name, { finds: true })
  await settle(1_001)
  for (let turn = 0; turn < 3; turn += 1) await settle(1)
  t.same(ended, ['first', 'a', 'b', 'c'])
})

t.test('searches wait for at most 10 s', async (t) => {
  const { ended, search, useUp, settle, refusals } = aQueue()
  await useUp()
  search('a', { cost: 100_000 })
  await settle(1_001)
  search('b')
  await settle(10_000)
  t.same(ended, ['first', 'a', 'b CURFEW_OVERLOADED'])
  t.equal(refusals(), 1)
})

t.test('the memory for waiting searches is bounded; the last in turn is refused', async (t) => {
  const { ended, search, useUp } = aQueue()
  await useUp()
  for (let index = 0; index < 63; index += 1) search(`${index}`, { bytes: 64 * KIB })
  search('large', { bytes: 64 * KIB, failures: 9 })
  search('small', { bytes: 1 })
  await new Promise(setImmediate)
  t.same(ended, ['first', 'large CURFEW_OVERLOADED'])
  for (let index = 0; index < 500; index += 1) search('many', { failures: 1 })
  await new Promise(setImmediate)
  t.equal(ended.filter((name) => name.startsWith('many')).length, 64)
})
