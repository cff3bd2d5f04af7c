import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load-config.ts'
import { clientKeyPair, ecPair } from '../support/client-keys.ts'
import { configurationFile } from '../support/config-file.ts'
import { COMPLETE, KEY, mistakesOf } from '../support/configuration.ts'
import { temporaryFolder } from '../support/service.ts'

const { QLIK_CLIENT_SECRET: _, ...NO_SECRET } = COMPLETE
const rsa = clientKeyPair('RS256')
const ec = clientKeyPair('ES384')
const wrongCurve = String(ecPair('P-256').privateKey.export({ type: 'sec1', format: 'pem' }))
const NOT_THERE = 'expected the path of a readable file that others cannot write'
const EXPOSED = 'expected a file that other users of the machine cannot read'

/** Files in a temporary folder, readable only by their owner. */
function keyFiles(t: Test) {
  const folder = temporaryFolder(t)
  return (name: string, content: string, mode = 0o600) => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode })
    // The umask may have removed permissions.
    chmodSync(path, mode)
    return path
  }
}

const secrets = (...list: string[]) => list.map((secret) => ({ kind: 'secret', secret }))

t.test('the environment configures the credentials of its client', async (t) => {
  const file = keyFiles(t)
  const [first, second] = [file('rsa.pem', rsa.pem), file('ec.pem', ec.pem)]
  const empty = file('empty', '\n')
  const cases: [name: string, changes: Record<string, string>, credentials: object[]][] = [
    ['a secret', { QLIK_CLIENT_SECRET: 'a,b' }, secrets('a,b')],
    ['two secrets', { QLIK_CLIENT_SECRET: 'new', QLIK_CLIENT_SECRET_PREVIOUS: 'old' }, secrets('new', 'old')],
    ['the same twice', { QLIK_CLIENT_SECRET: 'a', QLIK_CLIENT_SECRET_PREVIOUS: 'a' }, secrets('a')],
    [
      'no previous one at the moment',
      { QLIK_CLIENT_SECRET: 'a', QLIK_CLIENT_SECRET_PREVIOUS_FILE: empty },
      secrets('a'),
    ],
    ['a key', { QLIK_CLIENT_KEY_FILE: first }, [rsa.credential]],
    [
      'a key with its name and algorithm',
      { QLIK_CLIENT_KEY_FILE: first, QLIK_CLIENT_KEY_ID: 'k1', QLIK_CLIENT_KEY_ALG: 'RS512' },
      [{ ...rsa.credential, keyId: 'k1', algorithm: 'RS512' }],
    ],
    [
      'two keys',
      {
        QLIK_CLIENT_KEY_FILE: second,
        QLIK_CLIENT_KEY_ID: 'k2',
        QLIK_CLIENT_KEY_PREVIOUS_FILE: first,
        QLIK_CLIENT_KEY_PREVIOUS_ID: 'k1',
        QLIK_CLIENT_KEY_PREVIOUS_ALG: 'RS512',
      },
      [
        { ...ec.credential, keyId: 'k2' },
        { ...rsa.credential, keyId: 'k1', algorithm: 'RS512' },
      ],
    ],
    [
      'no previous key at the moment',
      { QLIK_CLIENT_KEY_FILE: first, QLIK_CLIENT_KEY_PREVIOUS_FILE: empty },
      [rsa.credential],
    ],
    [
      'the same key twice',
      { QLIK_CLIENT_KEY_FILE: first, QLIK_CLIENT_KEY_PREVIOUS_FILE: file('same.pem', rsa.pem) },
      [rsa.credential],
    ],
  ]
  for (const [name, changes, credentials] of cases) {
    const { tenants, warnings } = await loadConfig({ ...NO_SECRET, ...changes })
    t.strictSame(tenants[0].clients[0].credentials, credentials, name)
    t.same(warnings, [], name)
  }
})

t.test('all invalid credentials in the environment are reported at once', async (t) => {
  const file = keyFiles(t)
  const good = file('rsa.pem', rsa.pem)
  const bad = file('p256.pem', wrongCurve)
  const none = join(good, 'marker')
  const curve = 'expected an RSA key, or an EC key on the curve P-384'
  const cases: [
    name: string,
    changes: Record<string, string>,
    mistakes: [key: string, expected: string][],
  ][] = [
    ['nothing', {}, [['QLIK_CLIENT_SECRET', 'must be set, or QLIK_CLIENT_KEY_FILE']]],
    [
      'both',
      { QLIK_CLIENT_SECRET: 'a', QLIK_CLIENT_KEY_FILE: good },
      [['QLIK_CLIENT_KEY_FILE', 'expected QLIK_CLIENT_SECRET or QLIK_CLIENT_KEY_FILE, not both']],
    ],
    [
      'wrong files',
      { QLIK_CLIENT_KEY_FILE: none, QLIK_CLIENT_KEY_PREVIOUS_FILE: bad, PORT: 'x' },
      [
        ['PORT', 'must be integer'],
        ['QLIK_CLIENT_KEY_FILE', NOT_THERE],
        ['QLIK_CLIENT_KEY_PREVIOUS_FILE', curve],
      ],
    ],
    [
      'an algorithm of another kind of key',
      { QLIK_CLIENT_KEY_FILE: good, QLIK_CLIENT_KEY_ALG: 'ES384' },
      [['QLIK_CLIENT_KEY_ALG', 'expected RS256 or RS512 for this key']],
    ],
    [
      'an algorithm that Qlik does not take',
      { QLIK_CLIENT_KEY_FILE: good, QLIK_CLIENT_KEY_ALG: 'RS384' },
      [['QLIK_CLIENT_KEY_ALG', 'must be equal to one of the allowed values: RS256, RS512, ES384']],
    ],
    [
      'a previous secret alone',
      { QLIK_CLIENT_SECRET_PREVIOUS: 'a' },
      [
        ['QLIK_CLIENT_SECRET', 'must be set, or QLIK_CLIENT_KEY_FILE'],
        ['QLIK_CLIENT_SECRET_PREVIOUS', 'expected QLIK_CLIENT_SECRET to be set as well'],
      ],
    ],
    [
      'a previous secret beside one whose file is not there',
      { QLIK_CLIENT_SECRET_FILE: none, QLIK_CLIENT_SECRET_PREVIOUS: 'a' },
      [['QLIK_CLIENT_SECRET_FILE', NOT_THERE]],
    ],
    [
      'names of keys without keys',
      { QLIK_CLIENT_SECRET: 'a', QLIK_CLIENT_KEY_ID: 'x', QLIK_CLIENT_KEY_PREVIOUS_ALG: 'RS256' },
      [
        ['QLIK_CLIENT_KEY_ID', 'expected QLIK_CLIENT_KEY_FILE to be set as well'],
        ['QLIK_CLIENT_KEY_PREVIOUS_ALG', 'expected QLIK_CLIENT_KEY_PREVIOUS_FILE to be set as well'],
      ],
    ],
  ]
  for (const [name, changes, expected] of cases) {
    const mistakes = await mistakesOf({ QLIK_CLIENT_SECRET: undefined, ...changes })
    const found = mistakes.map((mistake) => [mistake.key, mistake.expected])
    t.same(found.sort(), expected.sort(), name)
  }
})

const url = 'https://acme.eu.qlikcloud.com'

t.test('the file configures credentials for each client, and for a tenant without one', async (t) => {
  const config = configurationFile(t, {
    clients: {
      two: { clientId: 'two', clientSecrets: ['new', `\${OLD}`] },
      files: { clientId: 'files', clientSecretFiles: ['s/new', 's/old'] },
      one: { clientId: 'one', clientSecretFiles: ['s/new'] },
      key: { clientId: 'key', privateKeys: [{ keyFile: 's/ec.jwk' }] },
    },
    tenants: [
      ...['two', 'files', 'one', 'key'].map((client) => ({ name: client, url, client })),
      {
        name: 'own',
        url,
        clientId: 'own',
        privateKeys: [
          { keyFile: 's/rsa.pem', keyId: 'k2', algorithm: 'RS512' },
          { keyFile: 's/rsa.pem', keyId: 'k1' },
        ],
      },
    ],
    apiKeys: [{ key: KEY }],
  })
  config.beside('s/new', 'new\n')
  config.beside('s/old', 'old\n')
  config.beside('s/ec.jwk', JSON.stringify({ ...ec.privateKey.export({ format: 'jwk' }), kid: 'k3' }))
  config.beside('s/rsa.pem', rsa.pem)
  for (const name of ['s/new', 's/old', 's/ec.jwk', 's/rsa.pem'])
    chmodSync(join(config.path, '..', name), 0o640)
  const { tenants, warnings } = await loadConfig({ CONFIG_FILE: config.path, OLD: 'old' })
  t.strictSame(
    tenants.map(({ clients }) => clients[0].credentials),
    [
      secrets('new', 'old'),
      secrets('new', 'old'),
      secrets('new'),
      [{ ...ec.credential, keyId: 'k3' }],
      [
        { ...rsa.credential, keyId: 'k2', algorithm: 'RS512' },
        { ...rsa.credential, keyId: 'k1' },
      ],
    ],
  )
  t.same(warnings, [])
})

t.test('all invalid credentials in the file are reported at once, with their position', async (t) => {
  const config = configurationFile(t, {
    clients: {
      both: { clientId: 'a', clientSecret: 'a', privateKeys: [{ keyFile: 'rsa.pem' }] },
      many: { clientId: 'b', clientSecrets: ['a', 'b', 'c'] },
      none: { clientId: 'c', privateKeys: [] },
      keys: {
        clientId: 'd',
        privateKeys: [{ keyFile: 'marker' }, { keyFile: 'p256.pem', keyId: '', algorithm: 'none' }],
      },
    },
    tenants: [
      { name: 'a', url, client: 'both', privateKeys: [{ keyFile: 'rsa.pem' }] },
      { name: 'b', url, privateKeys: [{ keyFile: 'rsa.pem' }] },
      { name: 'c', url, clientId: 'c', privateKeys: [{ keyFile: 'rsa.pem', algorithm: 'ES384' }] },
      { name: 'd', url, clientId: 'd', clientSecretFiles: ['marker'] },
      { name: 'e', url, clientId: 'e', privateKeys: [{ keyFile: 'p256.pem' }] },
    ],
    apiKeys: [{ key: KEY }],
  })
  config.beside('rsa.pem', rsa.pem)
  config.beside('p256.pem', wrongCurve)
  const mistakes = await mistakesOf({ CONFIG_FILE: config.path })
  const places = mistakes.map(({ key }) => key.replace('CONFIG_FILE ', ''))
  t.same(places.sort(), [
    '/clients/both',
    '/clients/keys/privateKeys/0/keyFile',
    '/clients/keys/privateKeys/1/algorithm',
    '/clients/keys/privateKeys/1/keyId',
    '/clients/many/clientSecrets',
    '/clients/none/privateKeys',
    '/tenants/0',
    '/tenants/1',
    '/tenants/2/privateKeys/0/algorithm',
    '/tenants/3/clientSecretFiles/0',
    '/tenants/4/privateKeys/0/keyFile',
  ])
  t.notMatch(JSON.stringify(mistakes), 'marker')
  for (const { expected } of mistakes) t.match(expected, /^expected/)
})

t.test('a key that every user of the machine can read is usable, with a warning', async (t) => {
  const file = keyFiles(t)
  const exposed = file('exposed.pem', rsa.pem, 0o644)
  const config = configurationFile(t, {
    clients: {
      a: { clientId: 'a', privateKeys: [{ keyFile: file('own.pem', rsa.pem) }, { keyFile: exposed }] },
    },
    tenants: [
      { name: 'a', url, client: 'a' },
      { name: 'b', url, clientId: 'b', privateKeys: [{ keyFile: exposed }] },
    ],
  })
  const { warnings } = await loadConfig({
    ...NO_SECRET,
    QLIK_CLIENT_KEY_FILE: file('ec.pem', ec.pem, 0o640),
    QLIK_CLIENT_KEY_PREVIOUS_FILE: exposed,
    CONFIG_FILE: config.path,
  })
  t.same(warnings, [
    { key: 'QLIK_CLIENT_KEY_PREVIOUS_FILE', expected: EXPOSED },
    { key: 'CONFIG_FILE /clients/a/privateKeys/1/keyFile', expected: EXPOSED },
    { key: 'CONFIG_FILE /tenants/1/privateKeys/0/keyFile', expected: EXPOSED },
  ])
})

t.test('a key path that is not a file, or a file too large for a key, is rejected', async (t) => {
  const file = keyFiles(t)
  const large = file('large', `${rsa.pem}${' '.repeat(64 * 1024)}`)
  for (const [name, path] of [
    ['a folder', join(large, '..')],
    ['a device', '/dev/zero'],
    ['too large', large],
    ['in a folder that is a file', join(large, 'x')],
  ] as const) {
    const mistakes = await mistakesOf({ QLIK_CLIENT_SECRET: undefined, QLIK_CLIENT_KEY_FILE: path })
    t.same(mistakes, [{ key: 'QLIK_CLIENT_KEY_FILE', expected: NOT_THERE }], name)
  }
})
