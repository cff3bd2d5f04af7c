import { readFileSync } from 'node:fs'
import t from 'tap'
import { Environment, SECRETS } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load-config.ts'

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

t.test('filled in where it says so, it is a configuration that works', async (t) => {
  const given = entries.filter(({ isOptional }) => !isOptional).map(({ key, value }) => [key, value])
  const { tenants } = await loadConfig({ ...Object.fromEntries(given), API_KEYS: 'k'.repeat(24) })
  t.equal(tenants.length, 1)
})
