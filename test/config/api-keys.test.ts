import t from 'tap'
import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { ROLES } from '../../src/base/role.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { parts } from '../../src/parts.ts'
import { configurationFile, entryFor, mistakesIn } from '../support/config-file.ts'
import { apiKeyOf, COMPLETE, KEY, keysOf, mistakesOf, secretOf } from '../support/configuration.ts'

const digest = (key: string) => `sha256:${digestOfKey(key)}`
const OTHER = `${KEY}-other`

t.test('a key has a name, roles, tenants and a validity; all are optional', async (t) => {
  const file = configurationFile(t, {
    tenants: [entryFor('a')],
    apiKeys: [
      { key: OTHER },
      {
        name: 'Ann laptop: read@a/b',
        keyFile: 'key',
        roles: ['read', 'signal', 'read'],
        tenants: ['a'],
        notBefore: '2026-05-04T12:00:00+02:00',
        expiresAt: '2026-06-01T00:00:00.500Z',
      },
    ],
    webhookSecrets: [{ secret: secretOf(24), name: 'portal' }, { secret: secretOf(32) }],
  })
  file.beside('key', `${KEY}-file\n`)
  const { senders } = await loadConfig({ ...COMPLETE, CONFIG_FILE: file.path }, parts.sources)
  t.same(senders, {
    apiKeys: [
      apiKeyOf('API_KEYS[0]', KEY),
      apiKeyOf('apiKeys[0]', OTHER),
      {
        ...apiKeyOf('Ann laptop: read@a/b', `${KEY}-file`, ['a']),
        roles: ['read', 'signal'],
        notBefore: Date.parse('2026-05-04T10:00:00Z'),
        expiresAt: Date.parse('2026-06-01T00:00:00.500Z'),
      },
    ],
    webhookSecrets: [
      { name: 'portal', secret: secretOf(24), tenants: null },
      { name: 'webhookSecrets[1]', secret: secretOf(32), tenants: null },
    ],
  })
})

t.test('wherever a key is given, its digest can be given instead', async (t) => {
  const keys = ['0', '1', '2', '3'].map((end) => `${KEY}-${end}`)
  const [inFile, inKeyFile, inVariable, inEnvironment] = keys.map(digest)
  const file = configurationFile(t, {
    apiKeys: [{ key: inFile }, { keyFile: 'key' }, { key: `\${READER_KEY}` }],
  })
  file.beside('key', `${inKeyFile?.toUpperCase().replace('SHA', 'sha')}\n`)
  const environment = { API_KEYS: `${inEnvironment},${KEY}`, READER_KEY: inVariable, CONFIG_FILE: file.path }
  const { senders } = await loadConfig({ ...COMPLETE, ...environment })
  t.same(senders.apiKeys, [
    apiKeyOf('API_KEYS[0]', String(keys[3])),
    apiKeyOf('API_KEYS[1]', KEY),
    apiKeyOf('apiKeys[0]', String(keys[0])),
    apiKeyOf('apiKeys[1]', String(keys[1])),
    apiKeyOf('apiKeys[2]', String(keys[2])),
  ])
})

t.test('what only looks like a digest is a mistake, not a key', async (t) => {
  const hex = digestOfKey(KEY)
  const wrong = [
    `sha256:${hex.slice(1)}`,
    `sha256:${hex}0`,
    `sha256:${hex.slice(1)}g`,
    `sha256:${Buffer.from(hex, 'hex').toString('base64')}`,
    `SHA256:${hex}=`,
    'sha256:',
  ]
  for (const key of wrong) {
    t.same(keysOf(await mistakesIn(t, { apiKeys: [{ key }] })), ['CONFIG_FILE /apiKeys/0/key'], key)
    const [mistake, ...others] = await mistakesOf({ API_KEYS: `${KEY},${key}` })
    t.match(mistake, { key: 'API_KEYS', expected: /sha256: and 64 hexadecimal digits/ }, key)
    t.same(others, [])
  }
})

t.test('the same key twice is a mistake in any form, and with any name, roles and validity', async (t) => {
  const expected = 'expected another key than in an earlier entry'
  const later = { notBefore: '2030-01-01T00:00:00Z' }
  const pairs = [
    [{ key: OTHER }, { key: digest(OTHER) }],
    [{ key: digest(OTHER) }, { key: digest(OTHER).toUpperCase().replace('SHA', 'sha') }],
    [
      { key: OTHER, name: 'one', roles: ['read'] },
      { key: OTHER, name: 'two', roles: ['signal'] },
    ],
    [
      { key: OTHER, expiresAt: '2029-01-01T00:00:00Z' },
      { key: OTHER, ...later },
    ],
  ]
  for (const apiKeys of pairs)
    t.same(await mistakesIn(t, { apiKeys }), [{ key: 'CONFIG_FILE /apiKeys/1', expected }])
  t.same(keysOf(await mistakesIn(t, { apiKeys: [{ key: digest(KEY) }] })), ['CONFIG_FILE /apiKeys/0'])
  const overlapping = [
    { key: OTHER, expiresAt: '2029-01-01T00:00:00Z' },
    { key: `${OTHER}2`, notBefore: '2028-01-01T00:00:00Z' },
  ]
  t.same(await mistakesIn(t, { apiKeys: overlapping }), [], 'two keys may overlap')
})

t.test('mistakes in names, roles and times are reported with their position', async (t) => {
  const cases: [entry: object, place: string, expected: RegExp][] = [
    [{ name: '' }, '/name', /^expected up to 64/],
    [{ name: 'API_KEYS[0]' }, '/name', /^expected up to 64/],
    [{ name: 'line\nbreak' }, '/name', /^expected up to 64/],
    [{ name: 'x'.repeat(65) }, '/name', /^expected up to 64/],
    [{ name: ' a' }, '/name', /^expected up to 64/],
    [{ roles: [] }, '/roles', /expected/],
    [{ roles: 'read' }, '/roles', /expected/],
    [{ roles: ['owner'] }, '/roles/0', /"signal"\|"read"\|"sessions"\|"operate"\|"admin"/],
    [{ roles: ['Read'] }, '/roles/0', /expected/],
    [{ notBefore: '2026-05-04' }, '/notBefore', /^expected ISO 8601 with an offset/],
    [{ expiresAt: '2026-05-04T12:00:00' }, '/expiresAt', /^expected ISO 8601 with an offset/],
    [{ expiresAt: 1_800_000_000 }, '/expiresAt', /expected/],
    [{ expiresAt: null }, '/expiresAt', /expected/],
    [
      { notBefore: '2026-05-04T12:00:00Z', expiresAt: '2026-05-04T14:00:00+02:00' },
      '/expiresAt',
      /^expected a time after notBefore$/,
    ],
  ]
  for (const [entry, place, expected] of cases) {
    const mistakes = await mistakesIn(t, { apiKeys: [{ key: OTHER, ...entry }] })
    t.match(mistakes, [{ key: `CONFIG_FILE /apiKeys/0${place}`, expected }], JSON.stringify(entry))
    t.equal(mistakes.length, 1)
  }
})

t.test('names are unique among the keys, and among the webhook secrets', async (t) => {
  const content = {
    apiKeys: [
      { name: 'portal', key: `${KEY}-1` },
      { name: 'portal', key: `${KEY}-2` },
    ],
    webhookSecrets: [
      { name: 'portal', secret: secretOf(24) },
      { name: 'portal', secret: secretOf(25), roles: ['read'] },
    ],
  }
  t.same(keysOf(await mistakesIn(t, content)).sort(), [
    'CONFIG_FILE /apiKeys/1/name',
    'CONFIG_FILE /webhookSecrets/1/name',
    'CONFIG_FILE /webhookSecrets/1/roles',
  ])
})

t.test('a configuration whose keys have expired is valid: otherwise a restart would fail', async (t) => {
  const apiKeys = [{ key: OTHER, expiresAt: '2020-01-01T00:00:00Z' }]
  t.same(await mistakesIn(t, { apiKeys }, { API_KEYS: '' }), [])
})

t.test('the configuration holds the digests of the keys, and not the keys', async (t) => {
  const { path } = configurationFile(t, { apiKeys: [{ key: OTHER }] })
  const { senders } = await loadConfig({ ...COMPLETE, CONFIG_FILE: path })
  t.notMatch(JSON.stringify(senders), KEY)
  t.match(senders.apiKeys, [{ roles: ROLES }, { roles: ROLES }])
})

t.test('senders and sources can be exempt from the brake on mass revocation', async (t) => {
  const secret = secretOf(24)
  const source = { kind: 'oidc-back-channel-logout', issuer: 'https://idp.example.com', audience: 'a' }
  const content = {
    apiKeys: [{ key: OTHER, massRevocation: true }, { key: `${KEY}-third` }],
    webhookSecrets: [{ secret, massRevocation: true }],
    sources: [
      { name: 'idp', ...source, massRevocation: true },
      { name: 'other', ...source },
    ],
  }
  const { path } = configurationFile(t, content)
  const { senders, sources } = await loadConfig({ ...COMPLETE, CONFIG_FILE: path }, parts.sources)
  const exempt = (all: readonly object[]) =>
    all.map((one) => 'massRevocation' in one && one.massRevocation === true)
  t.same(exempt(senders.apiKeys), [false, true, false])
  t.same(exempt(senders.webhookSecrets), [true])
  t.same(exempt(sources), [true, false])
  const wrong = await mistakesIn(t, { apiKeys: [{ ...content.apiKeys[1], massRevocation: 'yes' }] })
  t.match(wrong, [{ key: 'CONFIG_FILE /apiKeys/0/massRevocation' }])
})
