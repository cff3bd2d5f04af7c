import t from 'tap'
import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { ROLES } from '../../src/base/role.ts'
import { type ApiKeyConfig, ApiKeys, senderOf, validityOf } from '../../src/http/api-key.ts'

const KEYS = ['first-key-0123456789abcdef', 'second-key-0123456789abcdef'] as const
const [FIRST, SECOND] = KEYS

function configOf(key: string, more: Partial<ApiKeyConfig> = {}): ApiKeyConfig {
  const unrestricted = { roles: ROLES, tenants: null, notBefore: null, expiresAt: null }
  return { name: key, digest: digestOfKey(key), ...unrestricted, ...more }
}

const keys = new ApiKeys([configOf(FIRST), configOf(SECOND, { roles: ['read'], tenants: ['a', 'b'] })])
const find = (authorization: string | undefined) => keys.find(authorization)
const senderBy = (key: string) => {
  const found = find(`Bearer ${key}`)
  return found && senderOf(found)
}

t.test(
  'every configured key is known and has its own fingerprint, which does not contain the key',
  async (t) => {
    const fingerprints = KEYS.map((key) => senderBy(key)?.fingerprint)
    t.match(fingerprints, [/^[0-9a-f]{16}$/, /^[0-9a-f]{16}$/])
    t.not(fingerprints[0], fingerprints[1])
    t.equal(find(`bearer  ${FIRST}`)?.name, FIRST, 'RFC 9110: the scheme has no letter case')
  },
)

t.test('it returns the name, roles and tenants of the key', async (t) => {
  t.match(senderBy(FIRST), { kind: 'api-key', name: FIRST, roles: ROLES, tenants: null })
  t.match(senderBy(SECOND), { kind: 'api-key', name: SECOND, roles: ['read'], tenants: ['a', 'b'] })
})

t.test('nothing else is', async (t) => {
  const others = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    FIRST,
    `Basic ${FIRST}`,
    `Bearer ${FIRST}x`,
    `Bearer ${FIRST.slice(0, -1)}`,
    `Bearer ${FIRST.toUpperCase()}`,
    `Bearer ${FIRST} ${FIRST}`,
    `Bearer ${KEYS.join(',')}`,
    `Bearer ${'x'.repeat(100_000)}`,
    `Bearer ${digestOfKey(FIRST)}`,
    `Bearer sha256:${digestOfKey(FIRST)}`,
    `Bearer SHA256:${digestOfKey(FIRST).toUpperCase()}`,
  ]
  for (const authorization of others) t.equal(find(authorization), null, `${authorization?.slice(0, 60)}`)
  t.equal(new ApiKeys([]).find('Bearer '), null, 'without keys nobody is known')
})

t.test('a key is valid from notBefore on, and before expiresAt', async (t) => {
  const cases = [
    [null, null, 'valid'],
    [1_000, null, 'valid'],
    [1_001, null, 'not-yet-valid'],
    [null, 1_001, 'valid'],
    [null, 1_000, 'expired'],
    [500, 999, 'expired'],
    [999, 1_001, 'valid'],
    [1_001, 1_002, 'not-yet-valid'],
  ] as const
  for (const [notBefore, expiresAt, expected] of cases)
    t.equal(validityOf({ notBefore, expiresAt }, 1_000), expected, `${notBefore} to ${expiresAt}`)
})

t.test('a key that stays configured keeps its last use, also under another name and role', async (t) => {
  const before = new ApiKeys([configOf(FIRST), configOf(SECOND)])
  for (const key of before.all()) key.lastUsedAt = 1_000
  const after = new ApiKeys([configOf(SECOND, { name: 'renamed', roles: ['read'] }), configOf('new')], before)
  t.match(after.all(), [
    { name: 'renamed', lastUsedAt: 1_000 },
    { name: 'new', lastUsedAt: null },
  ])
  const again = new ApiKeys([configOf(FIRST)], after)
  t.match(again.all(), [{ name: FIRST, lastUsedAt: null }], 'a removed key is forgotten')
})
