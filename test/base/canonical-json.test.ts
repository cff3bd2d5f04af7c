import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../src/base/canonical-json.ts'

t.test('members are sorted by UTF-16 code units, as in RFC 8785', async (t) => {
  // The example of section 3.2.3, without the script tag.
  const example = {
    '€': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '😀': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    ö: 'Latin Small Letter O With Diaeresis',
  }
  const order = [
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]
  t.same(
    [...canonicalJson(example).matchAll(/:"([^"]+)"/g)].map(([, value]) => value),
    order,
  )
})

t.test('strings are escaped as in section 3.2.2.2', async (t) => {
  t.equal(
    canonicalJson('€$\u000F\u000aA\'\u0042\u0022\\\\"\u2028/\b\t\f\r\u007f'),
    '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"\u2028/\\b\\t\\f\\r\u007f"',
  )
})

const anyJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

/** The same value with its members in the opposite order. */
const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).reverse()
  return Object.fromEntries(members.map(([name, member]) => [name, reversed(member)]))
}

t.test('the form depends on the value alone, and keeps it', async (t) => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = canonicalJson(value)
      t.equal(canonicalJson(reversed(value)), text)
      t.equal(canonicalJson(JSON.parse(text)), text)
    }),
    { numRuns: 300 },
  )
})

t.test('what has no canonical form is rejected', async (t) => {
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
  const values = [
    undefined,
    0.5,
    Number.NaN,
    2 ** 53,
    1n,
    () => {},
    '\ud800',
    { '\udc00': 1 },
    [undefined],
    deep,
  ]
  for (const value of values) t.throws(() => canonicalJson(value), TypeError)
  t.equal(canonicalJson(-0), '0')
  t.equal(canonicalJson(JSON.parse('{"__proto__":1}')), '{"__proto__":1}')
})
