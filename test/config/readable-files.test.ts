import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/load-config.ts'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { COMPLETE, KEY, secretOf } from '../support/configuration.ts'
import { folderWith } from '../support/service.ts'

t.test('a secret file that every user can read is accepted, with a warning that names it', async (t) => {
  const secret = secretOf(32)
  const folder = folderWith(t, { own: KEY, listed: `${KEY}-2`, webhook: secret, old: 'old', new: 'new' })
  const at = (name: string) => join(folder, name)
  const { clientSecret, ...tenant } = entryFor('b')
  const { path } = configurationFile(t, {
    tenants: [{ ...tenant, clientSecretFiles: [at('new'), at('old')] }],
    apiKeys: [{ keyFile: at('listed') }],
    webhookSecrets: [{ secretFile: at('webhook') }],
  })
  const files = ['own', 'listed', 'webhook', 'old', 'new']
  const warningsWith = async (mode: number, ...names: string[]) => {
    for (const name of files) chmodSync(at(name), names.includes(name) ? mode : 0o640)
    const environment = { ...COMPLETE, API_KEYS: '', API_KEYS_FILE: at('own'), CONFIG_FILE: path }
    return (await loadConfig(environment)).warnings
  }
  const expected = 'expected a file that other users of the machine cannot read'
  t.same(await warningsWith(0o640, ...files), [])
  t.same(await warningsWith(0o644, 'own'), [{ key: 'API_KEYS_FILE', expected }])
  t.same(await warningsWith(0o604, 'listed', 'webhook', 'old'), [
    { key: 'CONFIG_FILE /tenants/0/clientSecretFiles/1', expected },
    { key: 'CONFIG_FILE /apiKeys/0/keyFile', expected },
    { key: 'CONFIG_FILE /webhookSecrets/0/secretFile', expected },
  ])
})
