import t from 'tap'
import { loadConfig } from '../../src/config/load-config.ts'
import { misspelt } from '../../src/config/misspelt.ts'
import { rejection } from '../support/events.ts'

const KNOWN = ['REVOKE_CONCURRENCY', 'WEBHOOK_SECRETS', 'HOST', 'PORT']
const GOOD = {
  QLIK_TENANT_URL: 'https://acme.eu.qlikcloud.com',
  QLIK_CLIENT_ID: 'id',
  QLIK_CLIENT_SECRET: 'secret-of-the-client',
  API_KEYS: 'api-key-0123456789abcdef-0123456789',
}

t.test('a misspelt key is reported with the most similar known key', async (t) => {
  t.same(misspelt(['REVOKE_CONCURENCY', 'WEBHOOKS_SECRET', 'webhook_secrets'], KNOWN), [
    { key: 'REVOKE_CONCURENCY', expected: 'unknown key; did you mean REVOKE_CONCURRENCY?' },
    { key: 'WEBHOOKS_SECRET', expected: 'unknown key; did you mean WEBHOOK_SECRETS?' },
    { key: 'webhook_secrets', expected: 'unknown key; did you mean WEBHOOK_SECRETS?' },
  ])
})

t.test('known keys and unrelated variables are not reported', async (t) => {
  t.same(misspelt(['APP_PORT', 'OPS_HOSTS'], ['OPS_PORT', 'OPS_HOST']), [
    { key: 'OPS_HOSTS', expected: 'unknown key; did you mean OPS_HOST?' },
  ])
  t.same(misspelt([...KNOWN, 'HOME', 'PATH', 'HOSTNAME', 'REVOKE', 'QLIK_CLOUD_REGION'], KNOWN), [])
})

t.test('a misspelt key is a warning, and is listed with the mistakes', async (t) => {
  const { warnings } = await loadConfig({ ...GOOD, REVOKE_CONCURENCY: '8' })
  t.match(warnings, [{ key: 'REVOKE_CONCURENCY', expected: /REVOKE_CONCURRENCY/ }])
  const { API_KEYS: keys, ...others } = GOOD
  const error = await rejection(loadConfig({ ...others, API_KEY: keys, API_KEYS_FIEL: 'x' }))
  t.match(error, {
    mistakes: [{ key: 'WEBHOOK_SECRETS or API_KEYS' }, { key: 'API_KEY' }, { key: 'API_KEYS_FIEL' }],
  })
})
