import t from 'tap'
import { mapInTurns } from '../../src/base/in-turns.ts'

t.test('many items are mapped in order, while others are served', async (t) => {
  const turns: number[] = []
  let mapped = 0
  const count = () => {
    turns.push(mapped)
    if (mapped < 250) setImmediate(count)
  }
  setImmediate(count)
  const items = Array.from({ length: 250 }, (_, index) => index)
  const results = await mapInTurns(items, (item) => {
    mapped += 1
    return item * 2
  })
  t.same(
    results,
    items.map((item) => item * 2),
  )
  t.match(turns, [100, 200], 'after every 100 items')
})

t.test('a few items are mapped in the same turn', async (t) => {
  const mapped: number[] = []
  const all = mapInTurns([1, 2, 3], (item) => mapped.push(item))
  t.same(mapped, [1, 2, 3])
  t.same(await all, [1, 2, 3])
})
