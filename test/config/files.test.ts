import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SECRETS } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { apiKeyOf, COMPLETE, KEY, keysOf, mistakesOf, secretOf } from '../support/configuration.ts'
import { temporaryFolder } from '../support/service.ts'

const signingKey = String(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
).trim()

t.test('a secret can be read from a file', async (t) => {
  const file = fileMaker(t)
  const values = {
    QLIK_CLIENT_SECRET: 'from-file',
    QLIK_CLIENT_SECRET_PREVIOUS: 'also from-file',
    WEBHOOK_SECRETS: secretOf(24),
    API_KEYS: `${KEY}\n${KEY}2`,
    DATABASE_URL: 'sqlite:/elsewhere/curfew.db',
    AUDIT_SIGNING_KEY: signingKey,
    DASHBOARD_SECRET: 'a secret of at least 32 characters',
  }
  t.same(Object.keys(values), SECRETS)
  const files = Object.entries(values).map(([key, value]) => [`${key}_FILE`, file(key, `${value}\n`)])
  const { QLIK_TENANT_URL, QLIK_CLIENT_ID } = COMPLETE
  const config = await loadConfig({ QLIK_TENANT_URL, QLIK_CLIENT_ID, ...Object.fromEntries(files) })
  t.match(config, {
    tenants: [{ clients: [{ credentials: [{ secret: 'from-file' }, { secret: 'also from-file' }] }] }],
    senders: {
      webhookSecrets: [{ secret: secretOf(24) }],
      apiKeys: [apiKeyOf('API_KEYS[0]', KEY), apiKeyOf('API_KEYS[1]', `${KEY}2`)],
    },
    databaseUrl: 'sqlite:/elsewhere/curfew.db',
    auditSigningKey: signingKey,
    dashboardSecret: 'a secret of at least 32 characters',
  })
})

t.test('an unusable file is reported by its key only', async (t) => {
  const file = fileMaker(t)
  const folder = join(temporaryFolder(t), 'marker')
  mkdirSync(folder)
  const cases: [string, Record<string, string | undefined>, string[]][] = [
    ['not there', { API_KEYS: undefined, API_KEYS_FILE: '/marker/none' }, ['API_KEYS_FILE']],
    [
      'a folder',
      { QLIK_CLIENT_SECRET: undefined, QLIK_CLIENT_SECRET_FILE: folder },
      ['QLIK_CLIENT_SECRET_FILE'],
    ],
    ['beside the value', { API_KEYS_FILE: file('both', KEY) }, ['API_KEYS']],
    [
      'empty',
      { QLIK_CLIENT_SECRET: undefined, QLIK_CLIENT_SECRET_FILE: file('empty', '\n') },
      ['QLIK_CLIENT_SECRET_FILE'],
    ],
    ['empty, where a sender is needed', { API_KEYS: '', API_KEYS_FILE: file('no', '') }, ['API_KEYS_FILE']],
    ['of another form', { API_KEYS: '', API_KEYS_FILE: file('form', 'marker') }, ['API_KEYS']],
    [
      'for what is no secret',
      { QLIK_CLIENT_ID: '', QLIK_CLIENT_ID_FILE: file('id', 'marker') },
      ['QLIK_CLIENT_ID'],
    ],
  ]
  for (const [name, changes, keys] of cases) {
    const mistakes = await mistakesOf(changes)
    t.same(keysOf(mistakes), keys, name)
    t.notMatch(JSON.stringify(mistakes), 'marker')
    if (name.startsWith('empty')) t.match(mistakes, [{ expected: 'expected a file that is not empty' }])
  }
})

/** Writes files into a temporary folder. */
function fileMaker(t: Test): (name: string, content: string) => string {
  const folder = temporaryFolder(t)
  return (name, content) => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }
}
