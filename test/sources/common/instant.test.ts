import t from 'tap'
import { instantOf } from '../../../src/sources/common/instant.ts'

t.test('a time is accepted in seconds, in milliseconds and in ISO 8601 with an offset', async (t) => {
  const at = Date.parse('2024-03-28T18:47:07.000Z')
  for (const value of [
    at,
    at / 1000,
    String(at),
    String(at / 1000),
    '2024-03-28T18:47:07Z',
    '2024-03-28T19:47:07.000+01:00',
  ])
    t.equal(instantOf(value), at, String(value))
  for (const value of [
    undefined,
    null,
    '',
    'now',
    '2024-03-28',
    '2024-03-28T18:47:07',
    '2024-03-28T18:47Z',
    0,
    60,
    -at,
    Number.NaN,
    {},
    [at],
  ])
    t.equal(instantOf(value), null, String(value))
})
