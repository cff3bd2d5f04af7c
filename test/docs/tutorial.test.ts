import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ROOT, read } from '../support/deployment.ts'
import { until } from '../support/events.ts'
import { freePort } from '../support/free-port.ts'
import { request, temporaryFolder } from '../support/service.ts'
import { sameShape } from '../support/shown.ts'

const run = promisify(execFile)
const [PAGE = ''] = read('docs/tutorial.md').split('## 9. Use your own tenant')
const BLOCKS = [...PAGE.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language = '', text = '']) => ({
  language,
  text,
}))

/** The commands of a block that contains this text, and the answer that follows. */
function commands(containing: string): { text: string; answer: string } {
  const index = BLOCKS.findIndex(({ language, text }) => language === 'bash' && text.includes(containing))
  const { text } = BLOCKS[index] ?? {}
  if (text === undefined) throw new Error(`The tutorial does not run ${containing}.`)
  used.add(text)
  return { text, answer: BLOCKS[index + 1]?.text ?? '' }
}
const used = new Set<string>()

/** What a fresh clone contains, as far as the tutorial needs it, after `npm ci`. */
function checkout(t: Test): string {
  const folder = temporaryFolder(t)
  for (const name of ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'src', 'examples'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Runs commands in a terminal until they listen, and ends them with the test. @returns their output */
async function terminal(t: Test, script: string, cwd: string, listens: string): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: cwd }
  const shell = spawn('bash', ['-ec', script], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => end(shell))
  let output = ''
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const ended = once(shell, 'exit').then(() => Promise.reject(new Error(output)))
  ended.catch(() => {})
  while (!output.includes(listens)) await Promise.race([once(shell.stdout, 'data'), ended])
  return output
}

/** As Ctrl-C does, for the whole group of processes. */
async function end(shell: ChildProcess): Promise<void> {
  if (shell.exitCode !== null || shell.signalCode !== null) return
  process.kill(-Number(shell.pid), 'SIGINT')
  await once(shell, 'exit')
}

t.test('it has ten steps', async (t) => {
  const steps = [...read('docs/tutorial.md').matchAll(/^## (\d+)\. /gm)].map(([, step]) => Number(step))
  t.same(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

t.test('a newcomer can follow the tutorial from a fresh clone', async (t) => {
  const folder = checkout(t)
  const ports = { 4848: await freePort(), 3000: await freePort(), 8080: await freePort() }
  const here = (text: string) =>
    Object.entries(ports).reduce(
      (all, [port, other]) => all.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${other}`),
      text,
    )
  const url = here('http://127.0.0.1:3000')

  // The demo has a test of its own.
  t.equal(commands('npm run demo').text, 'npm ci\nnpm run demo\n')
  const sandbox = commands('npm run sandbox').text.trim()
  const printed = await terminal(t, `${sandbox} -- --port ${ports[4848]} --no-idp`, folder, 'Users, by')
  const lines = printed.match(/^(QLIK|WEBHOOK|API)_\w+=.*$/gm) ?? []
  t.equal(lines.length, 5, 'the sandbox prints five lines for .env')
  writeFileSync(join(folder, '.env'), `${lines.join('\n')}\n`)
  await terminal(t, `PORT=${ports[3000]} ${commands('npm start').text}`, folder, 'Curfew is ready')

  const third = commands('. ./.env')
  const prelude = `export CURFEW_URL=${url}\n${third.text.replace(/^curfew doctor.*$/m, '')}`
  const type = async (text: string) =>
    (
      await run('bash', ['-ec', here(`${prelude}\n${text}`)], {
        cwd: folder,
        env: { PATH: process.env.PATH, HOME: folder },
      })
    ).stdout
  t.match(await type('curfew doctor --env .env'), sameShape(third.answer))
  const api = async (path: string) => {
    const key = /^API_KEYS=(.*)$/m.exec(printed)?.[1]
    return (await request(url, 'GET', path, { headers: { authorization: `Bearer ${key}` } })).json
  }
  const untilVerified = (email: string) =>
    until('the logout is verified', async () => {
      const { items } = await api('/revocations?limit=1')
      return items[0]?.user.email === email && items[0].verified
    })

  const logout = commands('curl http://127.0.0.1:3000/logout-hook')
  t.match(JSON.parse(await type(logout.text)), pattern(JSON.parse(logout.answer)))
  await untilVerified('ann@example.com')
  for (const containing of ['curfew why', 'curfew revoke']) {
    const { text, answer } = commands(containing)
    t.match(await type(text), sameShape(answer), text)
  }

  const example = commands('examples/express/server.js')
  await terminal(
    t,
    here(`PORT=${ports[8080]}\nexport PORT\n${prelude}\n${example.text}`),
    folder,
    'listening on',
  )
  t.match(await type(commands('curl -c cookies').text), /signed in.*signed out$/s)
  await untilVerified('ben@example.com')
  const tokens = commands('curfew tokens')
  t.equal(await type(tokens.text), tokens.answer)
  t.same(
    BLOCKS.filter(({ language, text }) => language === 'bash' && !used.has(text)),
    [],
  )
})

/** The same shape; ids and times differ in every run. */
function pattern(value: unknown): unknown {
  if (typeof value === 'string' && /\d/.test(value)) return String
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([key, member]) => [key, pattern(member)])
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries)
}
