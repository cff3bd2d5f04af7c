import t from 'tap'
import { one } from '../../../src/sources/webhook/preset.ts'
import { readBody } from '../../../src/sources/webhook/read-body.ts'

t.test('a body that is not UTF-8 is rejected', async (t) => {
  const bytes = Buffer.from('{"user_id":"\xff"}', 'latin1')
  const read = () => readBody(bytes, 'application/json', { items: one })
  t.throws(read, { code: 'CURFEW_BODY_UNREADABLE' })
})
