import t from 'tap'
import { createObjectIds } from '../../src/sandbox/object-id.ts'

t.test('an id contains the second of its creation', async (t) => {
  const id = createObjectIds()(Date.parse('2024-07-31T07:42:54.407Z'))
  t.match(id, /^66a9eafe[0-9a-f]{16}$/, 'as the id in the tutorial of Qlik does')
})

t.test('ids of the same second differ, also between generators', async (t) => {
  const [first, second] = [createObjectIds(), createObjectIds()]
  const ids = new Set([first(0), first(0), second(0), second(0)])
  t.equal(ids.size, 4)
})
