import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { read } from '../support/deployment.ts'
import { API_KEY, startService } from '../support/service.ts'

const run = promisify(execFile)
const BLOCKS = [...read('docs/tutorial.md').matchAll(/^```(bash|json)\n([\s\S]*?)^```/gm)]

/** The commands that call Curfew, each with the answer that the page shows, if any. */
const CALLS = BLOCKS.flatMap(([, language, code = ''], index) => {
  if (language !== 'bash' || !/^curl .*:3000/m.test(code)) return []
  const [, nextLanguage, shown = ''] = BLOCKS[index + 1] ?? []
  return [{ command: code.replace(/^\. .*\n/, ''), shown: nextLanguage === 'json' ? JSON.parse(shown) : {} }]
})

/** The same shape; ids and times differ in every run. */
function pattern(value: unknown): unknown {
  if (typeof value === 'string' && /\d/.test(value)) return String
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([key, member]) => [key, pattern(member)])
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries)
}

t.test('each command of the tutorial that calls Curfew gets the answer that the page shows', async (t) => {
  const service = await startService(t)
  service.userWithTokens(3, { email: 'ann@example.com' })
  const { tenant } = service.sandbox
  const cleo = tenant.addUser({ email: 'cleo@example.com' })
  for (const deviceType of ['Desktop', null]) tenant.issueTokens(cleo.id, 1, { deviceType })
  t.equal(CALLS.length, 4)
  for (const { command, shown } of CALLS) {
    const env = { ...process.env, API_KEYS: API_KEY }
    const { stdout } = await run('bash', ['-c', command.replace('http://127.0.0.1:3000', service.url)], {
      env,
    })
    t.match(JSON.parse(stdout), pattern(shown), command)
  }
})
