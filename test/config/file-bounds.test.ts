import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/load-config.ts'
import { configurationFile, manyEntries, mistakesIn } from '../support/config-file.ts'
import { KEY, keysOf, mistakesOf, secretOf } from '../support/configuration.ts'

t.test('of hundreds of mistakes, the first 50 are reported, and the number of the others', async (t) => {
  const tenants = manyEntries(300).map((entry) => ({ ...entry, url: 'http://x.example' }))
  const { message, members } = new ConfigError(await mistakesIn(t, { tenants }))
  t.equal(members.length, 50)
  t.equal(message.split('\n').length, 52)
  t.match(message, /\n {2}and 250 more$/)
})

t.test('thousands of tenants are read quickly, up to 20,000', async (t) => {
  const { path, write } = configurationFile(t, { tenants: manyEntries(20_000) })
  t.equal((await loadConfig({ API_KEYS: KEY, CONFIG_FILE: path })).tenants.length, 20_000)
  write({ tenants: manyEntries(20_001) })
  t.same(keysOf(await mistakesOf({ CONFIG_FILE: path })), ['CONFIG_FILE /tenants'])
})

t.test('the number of webhook secrets is limited to 1,000, because each is tried', async (t) => {
  const secrets = Array.from({ length: 1_000 }, (_, index) => ({
    secret: `whsec_${Buffer.alloc(24, `${index}-`).toString('base64')}`,
  }))
  t.same(await mistakesIn(t, { webhookSecrets: secrets }), [])
  const more = await mistakesIn(t, { webhookSecrets: secrets }, { WEBHOOK_SECRETS: secretOf(24) })
  t.same(keysOf(more), ['CONFIG_FILE /webhookSecrets'])
})
