import { parseEnv } from 'node:util'
import t from 'tap'
import { Environment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { curfewEnvironment, envLines } from '../../src/sandbox/curfew-environment.ts'

const TARGET = { url: 'http://127.0.0.1:4848', clientId: 'curfew', clientSecret: 'sandbox-secret' }

t.test('the variables are a complete configuration', async (t) => {
  t.match(await loadConfig(curfewEnvironment(TARGET)), {
    tenants: [
      { origin: TARGET.url, clients: [{ clientId: 'curfew', credentials: [{ secret: 'sandbox-secret' }] }] },
    ],
    senders: { apiKeys: [{ tenants: null }], webhookSecrets: [{ tenants: null }] },
  })
})

t.test('a wildcard address becomes loopback, the only one that Curfew calls by http', async (t) => {
  for (const host of ['0.0.0.0', '[::]', '127.0.0.1']) {
    const { QLIK_TENANT_URL } = curfewEnvironment({ ...TARGET, url: `http://${host}:4848` })
    t.equal(QLIK_TENANT_URL, 'http://127.0.0.1:4848', host)
  }
})

t.test('limits are set only if they differ from the defaults and Curfew accepts them', async (t) => {
  const { shape } = Environment
  const defaults = {
    tier1Limit: shape.QLIK_TIER1_LIMIT.parse(undefined),
    tier2Limit: shape.QLIK_TIER2_LIMIT.parse(undefined),
    windowMs: shape.QLIK_RATE_WINDOW_MS.parse(undefined),
  }
  const keysFor = (limits: object) =>
    Object.keys(curfewEnvironment({ ...TARGET, limits })).filter((key) => /LIMIT|WINDOW/.test(key))
  t.same(keysFor({}), [])
  t.same(keysFor(defaults), [])
  t.same(keysFor({ tier2Limit: 1, windowMs: 50 }), [])
  const limits = { tier1Limit: 10, tier2Limit: 20, windowMs: 3_000 }
  t.match(await loadConfig(curfewEnvironment({ ...TARGET, limits })), { tenants: [limits] })
})

t.test('secrets are random unless they are given', async (t) => {
  const [one, other] = [curfewEnvironment(TARGET), curfewEnvironment(TARGET)]
  for (const key of ['WEBHOOK_SECRETS', 'API_KEYS']) t.not(one[key], other[key], key)
  t.match(curfewEnvironment({ ...TARGET, webhookSecret: 'w', apiKey: 'k' }), {
    WEBHOOK_SECRETS: 'w',
    API_KEYS: 'k',
  })
})

t.test('Node reads the lines as the same variables', async (t) => {
  for (const secret of [
    'plain',
    'a b',
    'a#b',
    '"a"',
    "'a'",
    '`a`',
    '\'a" #',
    "'a` #",
    'a\\nb',
    '$a',
    'a=b=',
    'a\nb',
  ]) {
    const environment = curfewEnvironment({ ...TARGET, clientSecret: secret })
    t.same(parseEnv(envLines(environment)), environment, secret)
  }
})
