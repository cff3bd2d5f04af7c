import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../support/process.ts'
import { environmentFor, folderWith } from '../support/service.ts'

const VALID = environmentFor(
  { url: 'http://127.0.0.1:9' },
  { id: 'c', secret: 'secret-of-the-client' },
  'sqlite:x.db',
)
const lines = (variables: Record<string, string>) =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

t.test('a valid environment exits with 0', async (t) => {
  t.match(await runCommand(['check-config'], VALID), { code: 0, stdout: /^The configuration is valid/m })
  const file = join(folderWith(t, { env: lines(VALID) }), 'env')
  t.match(await runCommand(['check-config', file]), { code: 0 })
  t.match(await runCommand(['check-config', '--env', file]), { code: 0 })
})

t.test(
  'every mistake is printed, also beyond the first 50, without the values; it exits with 78',
  async (t) => {
    const tenants = Array.from({ length: 60 }, (_, index) => ({ name: `t${index}`, url: 'marker' }))
    const folder = folderWith(t, {
      'c.json': JSON.stringify({ tenants }),
      env: lines({ ...VALID, PORT: 'marker' }),
    })
    const { code, stdout } = await runCommand(['check-config', join(folder, 'c.json')], VALID)
    t.equal(code, 78)
    t.match(stdout, 'CONFIG_FILE /tenants/59/url: ')
    t.match(stdout, /\nThe configuration is invalid: \d+ mistakes\.\n$/)
    t.notMatch(stdout, 'marker')
    const { stdout: json } = await runCommand(['check-config', '--json', join(folder, 'env')])
    t.match(JSON.parse(json), { valid: false, mistakes: [{ key: 'PORT', expected: String }] })
  },
)

t.test('a file that cannot be read exits with 64', async (t) => {
  t.match(await runCommand(['check-config', join(folderWith(t, {}), 'absent')]), { code: 64, stdout: '' })
  t.match(await runCommand(['check-config', '--env', 'absent']), { code: 64, stdout: '' })
})
