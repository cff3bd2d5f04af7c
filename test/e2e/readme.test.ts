import { execFile } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { configurationFile } from '../support/config-file.ts'
import { listen } from '../support/listen.ts'
import { API_KEY, startService, temporaryFolder, WEBHOOK_SECRET } from '../support/service.ts'

const ROOT = join(import.meta.dirname, '../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const run = promisify(execFile)

/** The README's code block in this language that contains `text`. */
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

t.test("the README's logout route ends the session first, then the user's access", async (t) => {
  const { env, proveRevoked } = await serviceForSamples(t)
  await run(process.execPath, [routeRunner(t, 'ann@example.com')], { env })
  await proveRevoked()
})

t.test(
  "the README's logout route answers the user when Curfew is unreachable, and sends the same request again",
  async (t) => {
    const ids: unknown[] = []
    const server = createServer((request, response) => {
      ids.push(request.headers['webhook-id'])
      response.writeHead(ids.length === 1 ? 503 : 202).end()
    })
    const port = await listen(server)
    t.teardown(() => server.close())
    const env = { ...process.env, WEBHOOK_SECRET, CURFEW_URL: `http://127.0.0.1:${port}` }
    const { stdout } = await run(process.execPath, [routeRunner(t, 'ann@example.com')], { env })
    t.match(stdout, /^destroyed\nredirected to \/\n$/)
    t.equal(ids.length, 2)
    t.equal(ids[0], ids[1])
  },
)

/** A program that calls the README's logout route once, with a minimal Express application. */
function routeRunner(t: Test, email: string): string {
  const file = join(temporaryFolder(t), 'sample.mjs')
  const app = 'let route; const app = { post: (_path, handler) => { route = handler } }'
  const session = `{ user: { email: '${email}' }, destroy: (done) => { console.log('destroyed'); done() } }`
  const response = '{ redirect: (path) => console.log("redirected to", path) }'
  const code = sample('js', 'endQlikAccess(email,')
  writeFileSync(file, `${app}\n${code}\nroute({ session: ${session} }, ${response})\n`)
  return file
}

t.test('every script that the documents name exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const documents = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'examples/**/*.md'], { cwd: ROOT })
  t.ok(documents.length > 30)
  for (const document of documents) {
    const text = readFileSync(join(ROOT, document), 'utf8')
    for (const [, script] of text.matchAll(/npm run ([a-z-]+)/g))
      t.ok(scripts[String(script)], `${document}: npm run ${script}`)
  }
})

t.test("the README's sources are valid entries", async (t) => {
  const file = configurationFile(t, JSON.parse(sample('json', '"sources"')))
  const environment = { CONFIG_FILE: file.path, CLERK_WEBHOOK_SECRET: WEBHOOK_SECRET }
  const { call } = await startService(t, { environment })
  t.equal((await call('POST', '/sources/login/backchannel-logout', { body: 'x' })).status, 400)
  t.equal((await call('POST', '/sources/users/webhook', { body: {} })).status, 401)
})
