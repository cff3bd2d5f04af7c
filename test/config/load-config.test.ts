import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { Environment } from '../../src/config/environment.ts'
import { ConfigError, loadConfig } from '../../src/config/load-config.ts'
import { apiKeyOf, COMPLETE, KEY, keysOf, mistakesOf, secretOf } from '../support/configuration.ts'

t.test('with the required keys only, all others have their defaults', async (t) => {
  t.same(await loadConfig(COMPLETE), {
    host: '127.0.0.1',
    massRevocation: { users: 20_000, windowMs: 600_000 },
    port: 3_000,
    operators: null,
    trustProxy: [],
    maxConnections: 2_000,
    maxFailedAuthentications: 60,
    memoryLimitMb: 0,
    logLevel: 'info',
    receivers: { list: [], networks: [] },
    tenants: [
      {
        name: 'default',
        origin: 'https://acme.eu.qlikcloud.com',
        clients: [
          {
            clientId: 'client',
            credentials: [{ kind: 'secret', secret: 'client-secret' }],
            scope: 'admin_classic',
          },
        ],
        apiVersion: '2026-11',
        tier1Limit: 5_000,
        tier2Limit: 500,
        windowMs: 300_000,
        timeoutMs: 10_000,
        concurrency: 16,
      },
    ],
    senders: { apiKeys: [apiKeyOf('API_KEYS[0]', KEY)], webhookSecrets: [] },
    sources: [],
    warnings: [],
    databaseUrl: 'sqlite:./data/curfew.db',
    databaseConnections: 10,
    retentionDays: 30,
    auditRetentionDays: 365,
    auditSigningKey: null,
    dashboardSecret: null,
    isDashboardReadOnly: false,
    shutdownDrainMs: 0,
    shutdownGraceMs: 10_000,
  })
})

t.test('an empty value counts as not set, because compose files set empty values', async (t) => {
  const empty = Object.fromEntries(Environment.keyof().options.map((key) => [key, '']))
  t.same(await loadConfig({ ...empty, ...COMPLETE }), await loadConfig(COMPLETE))
})

t.test('all mistakes are reported at once, by key and without the values', async (t) => {
  const wrong = {
    HOST: undefined,
    PORT: '70000-marker',
    LOG_LEVEL: 'marker',
    QLIK_TENANT_URL: 'https://marker.example/path',
    QLIK_CLIENT_ID: undefined,
    QLIK_CLIENT_SECRET: undefined,
    QLIK_API_VERSION: '2026-12',
    QLIK_TIER2_LIMIT: '1',
    QLIK_TIMEOUT_MS: 'marker',
    WEBHOOK_SECRETS: 'whsec_marker',
    API_KEYS: 'short-marker',
    DATABASE_URL: 'mysql://marker',
    CONFIG_FILE: '/marker.json',
  }
  const mistakes = await mistakesOf(wrong)
  t.same(
    keysOf(mistakes).sort(),
    Object.keys(wrong)
      .filter((key) => key !== 'HOST')
      .sort(),
  )
  const { message, code } = new ConfigError(mistakes)
  t.equal(code, 'CURFEW_CONFIG_INVALID')
  t.equal(message.split('\n').length, 1 + mistakes.length)
  t.notMatch(message, 'marker')
  for (const { expected } of mistakes) t.match(expected, /^(expected|must)/)
})

t.test('each number is range-checked', async (t) => {
  const bounds: Record<string, [number, number]> = {
    PORT: [0, 65_535],
    MASS_REVOCATION_USERS: [0, 500_000],
    MASS_REVOCATION_WINDOW_MS: [1_000, 86_400_000],
    MAX_CONNECTIONS: [10, 65_535],
    MAX_FAILED_AUTHENTICATIONS: [0, 1_000_000],
    MEMORY_LIMIT_MB: [0, 1_048_576],
    DATABASE_CONNECTIONS: [2, 100],
    QLIK_TIER1_LIMIT: [1, 1_000_000],
    QLIK_TIER2_LIMIT: [2, 1_000_000],
    QLIK_RATE_WINDOW_MS: [100, 86_400_000],
    QLIK_TIMEOUT_MS: [100, 300_000],
    REVOKE_CONCURRENCY: [1, 128],
    RETENTION_DAYS: [1, 3_650],
    AUDIT_RETENTION_DAYS: [0, 3_650],
    SHUTDOWN_DRAIN_MS: [0, 600_000],
    SHUTDOWN_GRACE_MS: [100, 600_000],
  }
  const numeric = Object.entries(Environment.shape).filter(
    ([, schema]) => typeof schema.safeParse(undefined).data === 'number',
  )
  t.same(Object.keys(bounds).sort(), numeric.map(([key]) => key).sort(), 'every number is covered')
  for (const [key, [least, most]] of Object.entries(bounds)) {
    for (const good of [least, most]) t.same(await mistakesOf({ [key]: String(good) }), [], `${key}=${good}`)
    for (const bad of [`${least - 1}`, `${most + 1}`, `${least}.5`, 'x', 'NaN', 'Infinity']) {
      t.same(keysOf(await mistakesOf({ [key]: bad })), [key], `${key}=${bad}`)
    }
  }
})

t.test('the format of each string is checked', async (t) => {
  const cases: [key: string, good: string[], bad: string[]][] = [
    ['LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], ['verbose', 'INFO']],
    [
      'QLIK_TENANT_URL',
      [
        'https://acme.eu.qlikcloud.com/',
        'https://acme.eu.qlikcloud.com:8443',
        'http://localhost:4848',
        'http://127.0.0.1:4848',
        'http://127.9.9.9',
        'http://[::1]:4848',
      ],
      [
        'acme.eu.qlikcloud.com',
        'http://acme.eu.qlikcloud.com',
        'http://127.0.0.1.example.com',
        'http://localhost.example.com',
        'http://10.0.0.1',
        'ftp://acme.eu.qlikcloud.com',
        'https://acme.eu.qlikcloud.com/api',
        'https://acme.eu.qlikcloud.com?x=1',
        'https://acme.eu.qlikcloud.com#x',
        'https://user@acme.eu.qlikcloud.com',
        'https://user:password@acme.eu.qlikcloud.com',
        'https://',
      ],
    ],
    [
      'WEBHOOK_SECRETS',
      [
        secretOf(24),
        secretOf(64),
        ` ${secretOf(24)} , ${secretOf(32)} ,`,
        `${secretOf(24)}\n${secretOf(32)}\n`,
      ],
      [
        secretOf(23),
        secretOf(65),
        secretOf(24).slice('whsec_'.length),
        `whpk_${secretOf(24).slice('whsec_'.length)}`,
        `${secretOf(24)},short`,
        `${secretOf(24)} ${secretOf(24)}`,
        `whsec_${'-_'.repeat(20)}`,
      ],
    ],
    [
      'API_KEYS',
      [KEY, `${KEY},${'~!'.repeat(256)}`, `${KEY}\n${KEY}x`],
      [KEY.slice(1), `${KEY},short`, `${KEY} ${KEY}`, `${KEY}ü`, 'k'.repeat(513)],
    ],
    [
      'DATABASE_URL',
      [
        'sqlite:./data/curfew.db',
        'sqlite:/data/curfew.db',
        'sqlite:curfew.db',
        'postgres://curfew:secret@localhost:5432/curfew',
        'postgres://curfew:s%40cr%2Fet@localhost:5432/curfew',
        'postgresql://db.example.com/curfew?sslmode=verify-full',
      ],
      [
        'sqlite:',
        './curfew.db',
        'postgres://localhost',
        'postgres:///',
        'postgres://bob:12/34secret@127.0.0.1:1/curfew',
        'postgres://bob:12?34secret@127.0.0.1:1/curfew',
        'postgres://bob:12#34secret@127.0.0.1:1/curfew',
        'postgres://bob/secret@127.0.0.1:1/curfew',
        'postgres://localhost/curfew?host=bob:secret@db',
        'mysql://localhost/curfew',
        'sqlite::memory:',
        'sqlite:file:x?mode=memory',
      ],
    ],
  ]
  for (const [key, good, bad] of cases) {
    for (const value of good) t.same(await mistakesOf({ [key]: value }), [], `${key}=${value}`)
    for (const value of bad) t.same(keysOf(await mistakesOf({ [key]: value })), [key], `${key}=${value}`)
  }
})

t.test('at least one sender must be configured', async (t) => {
  for (const API_KEYS of ['', undefined, ',', ' , ']) {
    t.same(keysOf(await mistakesOf({ API_KEYS })), ['WEBHOOK_SECRETS or API_KEYS'], `${API_KEYS}`)
    const { senders } = await loadConfig({
      ...COMPLETE,
      API_KEYS,
      WEBHOOK_SECRETS: secretOf(24),
    })
    const secret = { name: 'WEBHOOK_SECRETS[0]', secret: secretOf(24), tenants: null }
    t.same(senders, { webhookSecrets: [secret], apiKeys: [] })
  }
})

t.test('the key that signs the audit trail must be an Ed25519 private key', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const wrong = [
    'x',
    String(other.export({ type: 'pkcs8', format: 'pem' })),
    String(publicKey.export({ type: 'spki', format: 'pem' })),
    String(privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })),
  ]
  for (const AUDIT_SIGNING_KEY of wrong)
    t.same(keysOf(await mistakesOf({ AUDIT_SIGNING_KEY })), ['AUDIT_SIGNING_KEY'])
})
