import t from 'tap'
import { printable, printableText } from '../../src/base/printable.ts'

t.test('any received value becomes short and printable', async (t) => {
  for (const [value, expected] of [
    ['plain "text"', 'plain "text"'],
    ['\u001b[2J\n\u00e9\u2028\ud83d', '\\u001b[2J\\u000a\\u00e9\\u2028\\ud83d'],
    [undefined, null],
    [null, null],
    [5, 'number'],
    [{ secret: 1 }, 'object'],
    [
      ['a', ['b'], 1],
      ['a', 'array', 'number'],
    ],
  ])
    t.same(printable(value), expected)
  t.equal(String(printable('x'.repeat(1_000))).length, 259)
  t.equal((printable(Array(50).fill('x')) as unknown[]).length, 10)
  t.equal(printableText('x'.repeat(64), 63), `${'x'.repeat(63)}...`)
})
