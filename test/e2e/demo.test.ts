import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseEnv } from 'node:util'
import t, { type Test } from 'tap'
import { secretOf } from '../support/configuration.ts'
import { freePort } from '../support/free-port.ts'

const DEMO = join(import.meta.dirname, '../../src/sandbox/demo.ts')

function startDemo(t: Test, ...args: string[]) {
  const demo = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => demo.kill('SIGKILL'))
  let output = ''
  demo.stdout.on('data', (chunk) => {
    output += chunk
  })
  return { demo, output: () => output, ended: once(demo, 'exit') }
}

t.test('the demo proves a logout and a revoke-all, and exits with 0', async (t) => {
  const { ended, output } = startDemo(t)
  t.same(await ended, [0, null])
  t.equal(output().match(/^✔ /gm)?.length, 4)
  t.notMatch(output(), '✘')
  t.match(output(), /"outcome": "revoked"/)
  t.match(output(), /completed, no token listed: +\d+ ms/)
  t.match(output(), /verified by a second listing after the leeway: +\d+ ms/)
  t.match(output(), /curl -i http/)
})

t.test('--help prints the usage and exits with 0', async (t) => {
  const { ended, output } = startDemo(t, '--help')
  t.same(await ended, [0, null])
  t.match(output(), /--keep .*\n.*--port <n>/)
  t.notMatch(output(), '✔')
})

t.test('invalid arguments are reported, and the demo exits with 64', async (t) => {
  const demo = spawn(process.execPath, [DEMO, '--speed', '9'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const [message, [code]] = await Promise.all([text(demo.stderr), once(demo, 'exit')])
  t.equal(code, 64)
  t.match(message, /^curfew demo: .*--speed.*\n\nUsage: npm run demo/)
})

t.test('ports and secrets can be set, and the lines for .env contain them', async (t) => {
  const secrets = { 'client-secret': 'my own', 'api-key': 'k'.repeat(24), 'webhook-secret': secretOf(24) }
  const ports = { port: String(await freePort()), 'sandbox-port': String(await freePort()) }
  const given = Object.entries({ ...secrets, ...ports }).flatMap(([name, value]) => [`--${name}`, value])
  const { demo, ended, output } = startDemo(t, '--keep', ...given)
  while (!output().includes('Ctrl+C')) await once(demo.stdout, 'data')
  const lines = output()
    .split('\n')
    .filter((line) => /^[A-Z_]+=/.test(line))
  t.same(parseEnv(lines.join('\n')), {
    QLIK_TENANT_URL: `http://127.0.0.1:${ports['sandbox-port']}`,
    QLIK_CLIENT_ID: 'curfew',
    QLIK_CLIENT_SECRET: secrets['client-secret'],
    WEBHOOK_SECRETS: secrets['webhook-secret'],
    API_KEYS: secrets['api-key'],
  })
  t.equal((await fetch(`http://127.0.0.1:${ports.port}/health/live`)).status, 200)
  demo.kill('SIGINT')
  t.same(await ended, [0, null])
})

t.test('with --keep the demo runs until Ctrl+C, and the printed requests work', async (t) => {
  const { demo, ended, output } = startDemo(t, '--keep')
  while (!output().includes('Ctrl+C')) await once(demo.stdout, 'data')
  const [, url, key] = /curl -i (\S+\/logout-hook) -H 'Authorization: (Bearer \S+)'/.exec(output()) ?? []
  const { status } = await fetch(String(url), {
    method: 'POST',
    headers: { authorization: String(key), 'content-type': 'application/json', prefer: 'wait=20' },
    body: '{"email":"cleo@example.com"}',
  })
  t.equal(status, 200)
  demo.kill('SIGINT')
  t.same(await ended, [0, null])
})
