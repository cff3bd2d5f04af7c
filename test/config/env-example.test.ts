import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PLACEHOLDER } from '../../src/base/placeholder.ts'
import { Environment, SECRETS } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { configurationFile } from '../support/config-file.ts'
import { KEY, keysOf, mistakesOf } from '../support/configuration.ts'
import { folderWith } from '../support/service.ts'

const LINES = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n')

/** They can be left out when there is a CONFIG_FILE, which the example does without. */
const WITHOUT_CONFIG_FILE = ['QLIK_TENANT_URL', 'QLIK_CLIENT_ID', 'QLIK_CLIENT_SECRET']

interface Entry {
  key: string
  value: string
  isOptional: boolean
  isExplained: boolean
}

/** Every `KEY=value` line; what is commented out is optional and shows its default. */
const entries = LINES.flatMap((line, index): Entry[] => {
  const [, hash, key = '', value = ''] = /^(# )?([A-Z][A-Z0-9_]+)=(.*)$/.exec(line) ?? []
  const isExplained = LINES.slice(0, index)
    .findLast((above) => !/^#? ?[A-Z][A-Z0-9_]+=/.test(above))
    ?.startsWith('# ')
  return key === '' ? [] : [{ key, value, isOptional: hash !== undefined, isExplained: isExplained === true }]
})

t.test('.env.example holds every key of the configuration once, each explained, and no other', async (t) => {
  const keys = [...Object.keys(Environment.shape), ...SECRETS.map((key) => `${key}_FILE`)]
  t.same(entries.map(({ key }) => key).sort(), keys.sort())
  for (const { key, isExplained } of entries) t.ok(isExplained, key)
})

t.test('it shows the defaults', async (t) => {
  for (const [key, schema] of Object.entries(Environment.shape)) {
    const entry = entries.find((one) => one.key === key)
    const { data, success } = schema.safeParse(undefined)
    if (WITHOUT_CONFIG_FILE.includes(key)) continue
    t.equal(entry?.isOptional, success, `${key} is commented out when it can be left out`)
    if (success) t.equal(entry?.value, String(data ?? ''), key)
  }
  for (const key of SECRETS) t.equal(entries.find((one) => one.key === `${key}_FILE`)?.value, '', key)
})

/** The values that the example leaves to the operator. */
const placeholders = entries.filter(({ isOptional }) => !isOptional)

t.test('with its placeholders replaced, it is a configuration that works', async (t) => {
  const own = placeholders.map(({ key, value }) => [key, value.replace('REPLACE-ME', 'acme')])
  const { tenants } = await loadConfig({ ...Object.fromEntries(own), API_KEYS: KEY })
  t.equal(tenants.length, 1)
})

t.test('each placeholder is rejected as such', async (t) => {
  t.same(
    placeholders.map(({ key }) => key),
    WITHOUT_CONFIG_FILE,
  )
  for (const { key, value } of placeholders) {
    t.same(await mistakesOf({ [key]: value }), [{ key, expected: PLACEHOLDER }])
  }
  const all = Object.fromEntries(placeholders.map(({ key, value }) => [key, value]))
  t.same(keysOf(await mistakesOf(all)), WITHOUT_CONFIG_FILE, 'all at once')
})

t.test('so is one in the file of a secret, in a list, in CONFIG_FILE or in a variable of it', async (t) => {
  const path = join(folderWith(t, { secret: 'REPLACE-ME\n' }), 'secret')
  t.same(await mistakesOf({ QLIK_CLIENT_SECRET: undefined, QLIK_CLIENT_SECRET_FILE: path }), [
    { key: 'QLIK_CLIENT_SECRET_FILE', expected: PLACEHOLDER },
  ])
  t.same(await mistakesOf({ API_KEYS: `${KEY},replace-me` }), [{ key: 'API_KEYS', expected: PLACEHOLDER }])
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it names a variable
  const OWN_ID = '${OWN_ID}'
  const tenant = { name: 'a', url: 'https://REPLACE-ME.eu.qlikcloud.com', clientId: OWN_ID }
  const file = configurationFile(t, { tenants: [{ ...tenant, clientSecretFile: path }] })
  t.same(await mistakesOf({ CONFIG_FILE: file.path, OWN_ID: 'REPLACE-ME' }), [
    { key: 'CONFIG_FILE /tenants/0/url', expected: PLACEHOLDER },
    { key: 'CONFIG_FILE /tenants/0/clientId', expected: PLACEHOLDER },
    { key: 'CONFIG_FILE /tenants/0/clientSecretFile', expected: PLACEHOLDER },
  ])
})
