import t from 'tap'
import { apiKeyCheck } from '../../src/http/api-key.ts'

const KEYS = ['first-key-0123456789abcdef', 'second-key-0123456789abcdef']
const check = apiKeyCheck([
  { key: 'first-key-0123456789abcdef', tenants: null },
  { key: 'second-key-0123456789abcdef', tenants: ['a', 'b'] },
])

t.test(
  'every configured key is known and has its own fingerprint, which does not contain the key',
  async (t) => {
    const fingerprints = KEYS.map((key) => check(`Bearer ${key}`)?.fingerprint)
    t.match(fingerprints, [/^[0-9a-f]{16}$/, /^[0-9a-f]{16}$/])
    t.not(fingerprints[0], fingerprints[1])
    t.equal(
      check(`bearer  ${KEYS[0]}`)?.fingerprint,
      fingerprints[0],
      'RFC 9110: the scheme has no letter case',
    )
  },
)

t.test('it returns the tenants that the key is valid for', async (t) => {
  t.same(
    KEYS.map((key) => check(`Bearer ${key}`)?.tenants),
    [null, ['a', 'b']],
  )
})

t.test('nothing else is', async (t) => {
  const others = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    KEYS[0],
    `Basic ${KEYS[0]}`,
    `Bearer ${KEYS[0]}x`,
    `Bearer ${KEYS[0]?.slice(0, -1)}`,
    `Bearer ${KEYS[0]?.toUpperCase()}`,
    `Bearer ${KEYS[0]} ${KEYS[0]}`,
    `Bearer ${KEYS.join(',')}`,
    `Bearer ${'x'.repeat(100_000)}`,
  ]
  for (const authorization of others) t.equal(check(authorization), null, `${authorization?.slice(0, 60)}`)
  t.equal(apiKeyCheck([])('Bearer '), null, 'without keys nobody is known')
})
