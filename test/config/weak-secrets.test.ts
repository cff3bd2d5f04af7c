import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/load-config.ts'
import { PUBLISHED, PUBLISHED_KEY, TRIVIAL } from '../../src/config/weak-secrets.ts'
import { entryFor, mistakesIn } from '../support/config-file.ts'
import { COMPLETE, mistakesOf } from '../support/configuration.ts'
import { SIGNING_KEY } from '../support/signing.ts'

const ROOT = join(import.meta.dirname, '../..')
const DEMO = join(ROOT, 'deploy/demo-secrets')
const demo = (name: string) => readFileSync(join(DEMO, name), 'utf8').trim()
const STANDARD = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const zeros = `whsec_${Buffer.alloc(32).toString('base64')}`
const HTTP = { QLIK_TENANT_URL: 'http://127.0.0.1:4848' }

t.test(
  'published and trivial secrets are rejected with an https tenant, and accepted with a sandbox',
  async (t) => {
    const cases: [key: string, value: string, expected: string][] = [
      ['API_KEYS', demo('api-keys'), PUBLISHED],
      ['WEBHOOK_SECRETS', demo('webhook-secrets'), PUBLISHED],
      ['QLIK_CLIENT_SECRET', demo('qlik-client-secret'), PUBLISHED],
      ['QLIK_CLIENT_SECRET', 'sandbox-secret', PUBLISHED],
      ['WEBHOOK_SECRETS', STANDARD, PUBLISHED],
      ['API_KEYS', `a-random-key-0123456789abcdef,${'x'.repeat(40)}`, TRIVIAL],
      ['WEBHOOK_SECRETS', zeros, TRIVIAL],
    ]
    for (const [key, value, expected] of cases) {
      t.same(await mistakesOf({ [key]: value }), [{ key, expected }])
      t.same(await mistakesOf({ ...HTTP, [key]: value }), [])
    }
    const url = demo('database-url')
    const database = { DATABASE_URL: url, DATABASE_INSECURE: 'true' }
    t.same(await mistakesOf(database), [{ key: 'DATABASE_URL', expected: PUBLISHED }])
    t.same(await mistakesOf({ ...HTTP, ...database }), [])
  },
)

t.test('so is the demo key that signs the audit trail, in any encoding', async (t) => {
  const [begin, end] = ['BEGIN', 'END'].map((part) => `-----${part} PRIVATE KEY-----`)
  const base64 = 'MC4CAQAwBQYDK2VwBCIEIO+PcKBwaTFhcsdrtJbFdjA78+pq381qLpXuLzest9tb'
  const lines = base64.match(/.{1,16}/g) ?? []
  for (const body of [base64, lines.join('\n')]) {
    const AUDIT_SIGNING_KEY = `${begin}\n${body}\n${end}\n`
    t.same(await mistakesOf({ AUDIT_SIGNING_KEY }), [{ key: 'AUDIT_SIGNING_KEY', expected: PUBLISHED_KEY }])
    t.same(await mistakesOf({ ...HTTP, AUDIT_SIGNING_KEY }), [])
  }
  t.same(await mistakesOf({ AUDIT_SIGNING_KEY: SIGNING_KEY }), [])
})

t.test('so are those in CONFIG_FILE, whatever names the https tenant', async (t) => {
  const content = {
    clients: { eu: { clientId: 'c', clientSecret: 'sandbox-secret' } },
    tenants: [
      { ...entryFor('a', 'https://a.eu.qlikcloud.com'), clientSecret: demo('qlik-client-secret') },
      { name: 'b', url: 'https://b.eu.qlikcloud.com', client: 'eu' },
    ],
    apiKeys: [{ key: 'y'.repeat(30) }, { key: demo('api-keys') }, { key: 'a-random-key-0123456789abcdef' }],
    webhookSecrets: [{ secret: STANDARD }],
    sources: [
      { kind: 'clerk', name: 'clerk', secret: zeros },
      { kind: 'supabase', name: 'supabase', secret: `v1,${zeros}` },
      { kind: 'okta-event-hook', name: 'okta', secret: 'z'.repeat(20) },
    ],
  }
  const mistakes = await mistakesIn(t, content, HTTP)
  t.same(mistakes, [
    { key: 'CONFIG_FILE /apiKeys/0', expected: TRIVIAL },
    { key: 'CONFIG_FILE /apiKeys/1', expected: PUBLISHED },
    { key: 'CONFIG_FILE /webhookSecrets/0', expected: PUBLISHED },
    { key: 'CONFIG_FILE /clients/eu', expected: PUBLISHED },
    { key: 'CONFIG_FILE /tenants/0', expected: PUBLISHED },
    { key: 'CONFIG_FILE /sources/0', expected: TRIVIAL },
    { key: 'CONFIG_FILE /sources/1', expected: TRIVIAL },
    { key: 'CONFIG_FILE /sources/2', expected: TRIVIAL },
  ])
})

t.test('every secret in the documentation counts as published', async (t) => {
  const pages = [
    'README.md',
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
  ]
  const texts = pages
    .filter((name) => name.endsWith('.md'))
    .map((name) => readFileSync(join(ROOT, name), 'utf8'))
  const secrets = texts.flatMap((text) => text.match(/whsec_[A-Za-z0-9+/]{32,}={0,2}/g) ?? [])
  for (const secret of [...secrets, demo('webhook-secrets')])
    t.match(await mistakesOf({ WEBHOOK_SECRETS: secret }), [{ expected: PUBLISHED }], secret)
  t.ok(await loadConfig(COMPLETE), 'and a random secret is accepted')
})
