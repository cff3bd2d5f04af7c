import { execFile, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { configurationFile } from '../support/config-file.ts'
import { API_KEY, startService, temporaryFolder, WEBHOOK_SECRET } from '../support/service.ts'

const ROOT = join(import.meta.dirname, '../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const run = promisify(execFile)

/** The code of that language in the README that holds `text`. */
function sample(language: string, text: string): string {
  const blocks = [...README.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))]
  const found = blocks.map(([, code]) => String(code)).find((code) => code.includes(text))
  if (!found) throw new Error(`The README has no ${language} with ${text}.`)
  return found
}

async function serviceForSamples(t: Test) {
  const service = await startService(t)
  const ann = service.userWithTokens(2, { email: 'ann@example.com' })
  const env = { ...process.env, API_KEY, WEBHOOK_SECRET, CURFEW_URL: service.url }
  return {
    service,
    env,
    async proveRevoked() {
      const { items } = (await service.call('GET', '/revocations')).json
      t.equal(items.length, 1)
      t.match(await service.ended(items[0].id), { status: 'completed', tokens: { revoked: 2 } })
      t.equal(service.sandbox.tenant.tokensOf(ann.id).length, 0)
    },
  }
}

t.test("the README's curl ends a user's access", async (t) => {
  const { service, env, proveRevoked } = await serviceForSamples(t)
  const command = sample('bash', '/logout-hook').replace('http://localhost:3000', service.url)
  const { stdout } = await run('sh', ['-c', command], { env })
  t.match(stdout, /^HTTP\/1\.1 202 /)
  await proveRevoked()
})

t.test("the README's Node code ends a user's access", async (t) => {
  const { env, proveRevoked } = await serviceForSamples(t)
  const file = join(temporaryFolder(t), 'sample.mjs')
  writeFileSync(file, `${sample('js', 'endQlikAccess(email,')}\nawait endQlikAccess('ann@example.com')\n`)
  await run(process.execPath, [file], { env })
  await proveRevoked()
})

const noPython = spawnSync('python3', ['--version']).error && 'there is no python3 on this machine'

t.test("the README's Python code ends a user's access", { skip: noPython }, async (t) => {
  const { env, proveRevoked } = await serviceForSamples(t)
  const file = join(temporaryFolder(t), 'sample.py')
  writeFileSync(file, `${sample('python', 'def end_qlik_access')}\nend_qlik_access("ann@example.com")\n`)
  await run('python3', [file], { env })
  await proveRevoked()
})

t.test('every file and script that the documents name is there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const [, script] of README.matchAll(/npm run ([a-z-]+)/g))
    t.ok(scripts[String(script)], `npm run ${script}`)
  const documents = globSync(['*.md', 'docs/*.md', 'docs/decisions/*.md'], { cwd: ROOT })
  t.ok(documents.length > 15)
  for (const document of documents) {
    const text = readFileSync(join(ROOT, document), 'utf8')
    for (const [, path] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      t.ok(existsSync(join(ROOT, document, '..', String(path))), `${document} → ${path}`)
    }
  }
})

t.test("the README's sources are good entries", async (t) => {
  const file = configurationFile(t, JSON.parse(sample('json', '"sources"')))
  const environment = { CONFIG_FILE: file.path, CLERK_WEBHOOK_SECRET: WEBHOOK_SECRET }
  const { call } = await startService(t, { environment })
  t.equal((await call('POST', '/sources/login/backchannel-logout', { body: 'x' })).status, 400)
  t.equal((await call('POST', '/sources/users/webhook', { body: {} })).status, 401)
})
