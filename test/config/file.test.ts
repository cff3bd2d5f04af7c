import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/load-config.ts'
import { configFileJsonSchema } from '../../src/config/schema.ts'
import { parts } from '../../src/parts.ts'
import { configurationFile, entryFor, mistakesIn } from '../support/config-file.ts'
import { apiKeyOf, COMPLETE, KEY, keysOf, mistakesOf, secretOf } from '../support/configuration.ts'

const NO_TENANT = { QLIK_TENANT_URL: '', QLIK_CLIENT_ID: '', QLIK_CLIENT_SECRET: '' }
const DOCS = join(import.meta.dirname, '../../docs')
const variable = (name: string) => `\${${name}}`

t.test('tenants are read from the file, with defaults from the environment', async (t) => {
  const file = configurationFile(t, {
    clients: {
      eu: { clientId: variable('EU_ID'), clientSecretFile: 'secrets/eu', scope: 'special' },
      us: { clientId: 'us-client', clientSecret: variable('US_SECRET') },
    },
    tenants: [
      { name: 'acme', url: variable('ACME_URL'), client: 'eu' },
      { name: 'globex', url: 'https://globex.us.qlikcloud.com/', client: 'us', tier1Limit: 7, tier2Limit: 8 },
      { ...entryFor('own'), apiVersion: 'none', rateWindowMs: 100, timeoutMs: 200, concurrency: 3 },
      { name: 'second', url: 'https://second.eu.qlikcloud.com', client: 'eu', scope: 'its own' },
    ],
  })
  file.beside('secrets/eu', 'eu-secret\n')
  const config = await loadConfig({
    ...COMPLETE,
    QLIK_TIER2_LIMIT: '400',
    CONFIG_FILE: file.path,
    EU_ID: 'eu-client',
    US_SECRET: 'us-secret',
    ACME_URL: 'https://acme.de.qlikcloud.com',
  })
  const common = { apiVersion: '2026-11', tier1Limit: 5_000, tier2Limit: 400 }
  const rest = { windowMs: 300_000, timeoutMs: 10_000, concurrency: 16 }
  const clients = (clientId: string, secret: string, scope = 'admin_classic') => ({
    clients: [{ clientId, credentials: [{ kind: 'secret', secret }], scope }],
  })
  const eu = (scope: string) => clients('eu-client', 'eu-secret', scope)
  const us = { ...clients('us-client', 'us-secret'), tier1Limit: 7, tier2Limit: 8 }
  const own = clients('client', 'client-secret')
  const ofFile = clients('client-of-own', 'client-secret')
  t.same(config.tenants, [
    { name: 'default', origin: 'https://acme.eu.qlikcloud.com', ...common, ...rest, ...own },
    { name: 'acme', origin: 'https://acme.de.qlikcloud.com', ...common, ...rest, ...eu('special') },
    { name: 'globex', origin: 'https://globex.us.qlikcloud.com', ...common, ...rest, ...us },
    {
      name: 'own',
      origin: 'http://127.0.0.1:1',
      ...common,
      ...ofFile,
      apiVersion: 'none',
      windowMs: 100,
      timeoutMs: 200,
      concurrency: 3,
    },
    {
      name: 'second',
      origin: 'https://second.eu.qlikcloud.com',
      ...common,
      ...rest,
      ...eu('its own'),
    },
  ])
})

t.test('senders are read from both; those of the environment are authorized for all tenants', async (t) => {
  const file = configurationFile(t, {
    tenants: [entryFor('a'), entryFor('b')],
    apiKeys: [{ key: `${KEY}-a`, tenants: ['a', 'default'] }, { keyFile: 'key' }],
    webhookSecrets: [{ secret: secretOf(24), tenants: ['b', 'b'] }, { secretFile: 'secret' }],
  })
  file.beside('key', `${KEY}-file\n`)
  file.beside('secret', `${secretOf(32)}\n`)
  const { senders } = await loadConfig({ ...COMPLETE, WEBHOOK_SECRETS: secretOf(40), CONFIG_FILE: file.path })
  t.same(senders, {
    apiKeys: [
      apiKeyOf('API_KEYS[0]', KEY),
      apiKeyOf('apiKeys[0]', `${KEY}-a`, ['a', 'default']),
      apiKeyOf('apiKeys[1]', `${KEY}-file`),
    ],
    webhookSecrets: [
      { name: 'WEBHOOK_SECRETS[0]', secret: secretOf(40), tenants: null },
      { name: 'webhookSecrets[0]', secret: secretOf(24), tenants: ['b'] },
      { name: 'webhookSecrets[1]', secret: secretOf(32), tenants: null },
    ],
  })
})

t.test(
  'with a file, the environment needs no tenant and no sender; an incomplete tenant is a mistake',
  async (t) => {
    const content = { tenants: [entryFor('first'), entryFor('b')], apiKeys: [{ key: `${KEY}-file` }] }
    const { path } = configurationFile(t, content)
    const { tenants, senders } = await loadConfig({ CONFIG_FILE: path })
    t.match(tenants, [{ name: 'first' }, { name: 'b' }])
    t.equal(senders.apiKeys.length, 1)
    t.same(keysOf(await mistakesIn(t, content, { ...NO_TENANT, QLIK_CLIENT_ID: 'x' })), [
      'QLIK_TENANT_URL',
      'QLIK_CLIENT_SECRET',
    ])
    t.same(
      keysOf(await mistakesIn(t, {}, NO_TENANT)),
      Object.keys(NO_TENANT),
      'nor does the file contain one',
    )
    const noSender = await mistakesIn(t, { tenants: content.tenants }, { ...NO_TENANT, API_KEYS: '' })
    t.same(keysOf(noSender), ['WEBHOOK_SECRETS or API_KEYS'])
  },
)

t.test('all mistakes are reported at once, with their position and without the values', async (t) => {
  const wrong = {
    clients: {
      'm/n~': { clientId: '', clientSecret: 'marker' },
      two: { clientId: 'marker', clientSecret: 'marker', clientSecretFile: 'marker' },
      none: { clientId: 'marker' },
    },
    tenants: [
      { name: 'a', url: 'https://marker.example/path', client: 'marker' },
      { name: 'a', url: variable('UNSET_ADDRESS'), client: 'two', clientId: 'marker' },
      { ...entryFor('default'), timeoutMs: 'marker' },
      { ...entryFor('marker'), name: undefined, apiVersion: 'marker', concurrency: 129 },
      'marker',
    ],
    apiKeys: [{ key: 'marker' }, { key: KEY, tenants: ['a', 'marker'] }, { keyFile: 'marker' }, {}],
    webhookSecrets: [{ secret: 'whsec_marker' }, { secretFile: 'short', tenants: [] }],
    sources: [{ name: 'Marker', kind: 'clerk', secret: 'marker' }, { kind: 'marker' }],
    more: [],
  }
  const file = configurationFile(t, wrong)
  file.beside('short', 'marker')
  const mistakes = await mistakesOf({ PORT: 'marker', CONFIG_FILE: file.path })
  const places = [
    '/clients/m~1n~0/clientId',
    '/clients/two/clientSecretFile',
    '/clients/two',
    '/clients/none',
    '/tenants/0/url',
    '/tenants/0/client',
    '/tenants/1/name',
    '/tenants/1/url',
    '/tenants/1',
    '/tenants/2/name',
    '/tenants/2/timeoutMs',
    '/tenants/3/name',
    '/tenants/3/apiVersion',
    '/tenants/3/concurrency',
    '/tenants/4',
    '/apiKeys/0/key',
    '/apiKeys/1/tenants/1',
    '/apiKeys/2/keyFile',
    '/apiKeys/3',
    '/webhookSecrets/0/secret',
    '/webhookSecrets/1/secretFile',
    '/webhookSecrets/1/tenants',
    '/sources/0/name',
    '/sources/0/secret',
    '/sources/1/kind',
    '/more',
  ]
  t.same(keysOf(mistakes).sort(), ['PORT', ...places.map((place) => `CONFIG_FILE ${place}`)].sort())
  const { message } = new ConfigError(mistakes)
  t.notMatch(message, /marker/i)
  t.match(message, /tenants\/1\/url: expected the environment variable UNSET_ADDRESS to be set/)
  t.match(message, /sources\/1\/kind: expected a kind: oidc-back-channel-logout, .*clerk/)
  for (const { expected } of mistakes) t.match(expected, /^(expected|must)/)
})

t.test('an unreadable or malformed file is reported without its content', async (t) => {
  const large = configurationFile(t, '{}')
  truncateSync(large.path, 16 * 1024 * 1024 + 1)
  for (const [name, path, expected] of [
    ['not there', '/marker/none.json', 'expected the path of a readable file'],
    ['a folder', join(large.path, '..'), 'expected the path of a readable file'],
    ['too large', large.path, 'expected a file of at most 16 MiB'],
    ['no JSON', configurationFile(t, '{ "marker": marker }').path, 'expected JSON'],
    ['nearly JSON', configurationFile(t, '{\n  "marker": 1,\n}').path, 'expected JSON (line 3 column 1)'],
    ['empty', configurationFile(t, '').path, 'expected JSON'],
  ] as const) {
    t.same(await mistakesOf({ CONFIG_FILE: path }), [{ key: 'CONFIG_FILE', expected }], name)
  }
  for (const content of ['null', '5', '[]', '"marker"']) {
    t.same(keysOf(await mistakesIn(t, content)), ['CONFIG_FILE /'], content)
  }
  t.same(await mistakesIn(t, '\uFEFF{}'), [], 'a byte order mark is accepted')
})

t.test('a member inherited from Object.prototype is not a client name', async (t) => {
  for (const client of ['__proto__', 'constructor', 'toString']) {
    const tenants = [{ name: 'a', url: 'https://a.eu.qlikcloud.com', client }]
    t.same(keysOf(await mistakesIn(t, { tenants })), ['CONFIG_FILE /tenants/0/client'], client)
  }
})

t.test('duplicate tenants, keys and secrets are rejected', async (t) => {
  const twice = {
    tenants: [
      {
        ...entryFor('a'),
        url: String(COMPLETE.QLIK_TENANT_URL),
        clientId: String(COMPLETE.QLIK_CLIENT_ID),
      },
      entryFor('b'),
      { ...entryFor('b'), name: 'c' },
    ],
    apiKeys: [{ key: `${KEY}-a` }, { key: KEY, tenants: ['a'] }, { key: `${KEY}-a` }],
    webhookSecrets: [{ secret: secretOf(24) }, { secret: secretOf(24), tenants: ['a'] }],
  }
  const places = ['/tenants/0', '/tenants/2', '/apiKeys/1', '/apiKeys/2', '/webhookSecrets/1']
  t.same(
    keysOf(await mistakesIn(t, twice)),
    places.map((place) => `CONFIG_FILE ${place}`),
  )
})

t.test('a tenant may name several clients', async (t) => {
  const clients = {
    a: { clientId: 'a', clientSecret: 'secret-of-a', scope: 'special' },
    b: { clientId: 'b', clientSecret: 'secret-of-b' },
    c: { clientId: 'b', clientSecret: 'another' },
  }
  const url = 'https://acme.eu.qlikcloud.com'
  const { path } = configurationFile(t, {
    clients,
    tenants: [{ name: 'acme', url, clients: ['b', 'a'] }],
    apiKeys: [{ key: `${KEY}-file` }],
  })
  t.match((await loadConfig({ CONFIG_FILE: path })).tenants[0].clients, [
    { clientId: 'b', credentials: [{ secret: 'secret-of-b' }], scope: 'admin_classic' },
    { clientId: 'a', credentials: [{ secret: 'secret-of-a' }], scope: 'special' },
  ])
  const mistakes = await mistakesIn(t, {
    clients,
    tenants: [
      { name: 'one', url, client: 'a', clients: ['b'] },
      { name: 'two', url, clients: [] },
      { name: 'three', url, clients: ['a', 'x', 'a'] },
    ],
  })
  t.same(
    keysOf(mistakes),
    ['/tenants/0', '/tenants/1/clients', '/tenants/2/clients/1', '/tenants/2/clients/2'].map(
      (place) => `CONFIG_FILE ${place}`,
    ),
  )
  const twice = await mistakesIn(t, {
    clients,
    tenants: [
      { name: 'one', url, clients: ['a', 'b'] },
      { name: 'two', url, client: 'a' },
      { name: 'three', url: 'https://other.eu.qlikcloud.com', clients: ['b', 'c'] },
    ],
  })
  t.same(keysOf(twice), ['CONFIG_FILE /tenants/1', 'CONFIG_FILE /tenants/2'])
})

t.test('the JSON Schema for editors matches the schema of the file', async (t) => {
  const committed = JSON.parse(readFileSync(join(DOCS, 'config-file.schema.json'), 'utf8'))
  t.same(committed, configFileJsonSchema(parts.sources), 'npm run config-schema writes it')
})

t.test('the example is a valid configuration, and the documentation shows the same', async (t) => {
  const example = readFileSync(join(DOCS, 'config-file.example.json'), 'utf8')
  const shown = readFileSync(join(DOCS, 'configuration.md'), 'utf8').match(/^```json\n([\s\S]*?)^```/m)?.[1]
  t.equal(shown, example)
  const file = configurationFile(t, example)
  for (const name of ['qlik-eu', 'qlik-initech']) file.beside(`secrets/${name}`, `${name}\n`)
  file.beside('secrets/operators-key', KEY)
  file.beside('secrets/portal-webhook', secretOf(24))
  const config = await loadConfig(
    {
      CONFIG_FILE: file.path,
      QLIK_EU_CLIENT_ID: 'eu',
      QLIK_US_CLIENT_ID: 'us',
      QLIK_US_CLIENT_SECRET: 'us-secret',
      ACME_API_KEY: `${KEY}-acme`,
      INITECH_WEBHOOK_SECRET: secretOf(32),
    },
    parts.sources,
  )
  t.match(config.tenants, [{ name: 'acme' }, { name: 'globex' }, { name: 'initech' }])
})

t.test('a secret in the form of a variable is not repeated', async (t) => {
  for (const secret of ['d3b07384d113edec49eaa6238ad5ff00', 'SECRETWITHOUTUNDERSCORE', 'a.b']) {
    const [mistake] = await mistakesIn(t, { apiKeys: [{ key: variable(secret) }] })
    t.equal(mistake?.expected, 'expected the environment variable to be set', secret)
  }
})
