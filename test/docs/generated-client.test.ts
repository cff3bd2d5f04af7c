import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { generateClient } from '../support/generate-client.ts'
import { API_KEY, startService, temporaryFolder } from '../support/service.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

const IMPORTS = `import { createClient } from './client/client/index.ts'
import { getRevocation, reportLogout, revokeUser, revokeUsers } from './client/index.ts'
`

/** Called with every credential that the client asks for: a client must ask for the API key only. */
const LOG_OUT = `${IMPORTS}
export async function logOut(baseUrl: string, key: string, email: string, userId: string) {
  const client = createClient({ baseUrl, auth: () => key })
  const by = { client, throwOnError: true } as const
  const headers = { Prefer: 'wait=30', 'Idempotency-Key': 'logout-1' }
  const { data, response } = await reportLogout({ ...by, headers, body: { email, reason: 'logout' } })
  if (!('status' in data)) throw new Error('Not a revocation')
  const { data: read } = await getRevocation({ ...by, path: { id: data.id } })
  const { data: preview } = await reportLogout({ ...by, body: { email }, query: { dryRun: 'true' } })
  const { data: all } = await revokeUser({ ...by, path: { id: userId } })
  const { data: many } = await revokeUsers({ ...by, body: { users: [{ userId }, { email }] } })
  return {
    statuses: [data.status, read.status],
    verified: read.verified satisfies boolean,
    location: response.headers.get('location'),
    left: 'kept' in preview ? preview.tokens.length : null,
    sources: 'source' in all ? [all.source] : [],
    accepted: many.items.length,
    id: data.id,
  }
}
`

/** Programs that must not compile. */
const MISTAKES = {
  'no-name': `${IMPORTS}await reportLogout({ body: { reason: 'logout' } })`,
  'no-body': `${IMPORTS}await reportLogout({})`,
  'an-unknown-member': `${IMPORTS}await reportLogout({ body: { email: 'ann@example.com', user: 'x' } })`,
  'an-unknown-reason': `${IMPORTS}await reportLogout({ body: { email: 'ann@example.com', reason: 'bored' } })`,
  'no-id': `${IMPORTS}await getRevocation({})`,
}

async function compile(folder: string): Promise<string> {
  const tsconfig = { extends: join(ROOT, 'tsconfig.json'), include: ['*.ts'] }
  const options = {
    typeRoots: [join(ROOT, 'node_modules/@types')],
    // The generated client uses names of fetch that only the library of browsers declares.
    lib: ['es2024', 'dom', 'dom.iterable'],
    noUnusedLocals: false,
  }
  const file = join(folder, 'tsconfig.json')
  writeFileSync(file, JSON.stringify({ ...tsconfig, compilerOptions: options }))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [tsc, '--pretty', 'false', '-p', file]).then(
    ({ stdout }) => stdout,
    ({ stdout }) => String(stdout),
  )
}

t.test('a generated client compiles, rejects mistakes, and logs a user out', async (t) => {
  const service = await startService(t)
  const folder = temporaryFolder(t)
  await generateClient((await service.call('GET', '/openapi.json')).json, join(folder, 'client'))
  const program = join(folder, 'log-out.ts')
  writeFileSync(program, LOG_OUT)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  for (const [mistake, text] of Object.entries(MISTAKES)) writeFileSync(join(folder, `${mistake}.ts`), text)
  const wrong = [...(await compile(folder)).matchAll(/([\w./-]+)\.ts\(.*?error TS/g)].map(([, file]) => file)
  t.same([...new Set(wrong.map((file) => basename(String(file))))].sort(), Object.keys(MISTAKES).sort())

  const { logOut } = await import(pathToFileURL(program).href)
  const user = service.userWithTokens(2, { email: 'ann@example.com' })
  const result = await logOut(service.url, API_KEY, 'ann@example.com', user.id)
  t.match(result, { statuses: ['completed', 'completed'], left: 0, sources: ['revoke-all'], accepted: 2 })
  t.equal(result.location, `/revocations/${result.id}`)
  t.strictSame(service.sandbox.tenant.tokensOf(user.id), [])
})
