import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'

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

t.test('the demo proves a logout and a revoke-all, and ends by itself with 0', async (t) => {
  const { ended, output } = startDemo(t)
  t.same(await ended, [0, null])
  t.equal(output().match(/^✔ /gm)?.length, 4)
  t.notMatch(output(), '✘')
  t.match(output(), /"outcome": "revoked"/)
  t.match(output(), /completed, no token left in the list: +\d+ ms/)
  t.match(output(), /verified, by a second list after the leeway: +\d+ ms/)
  t.match(output(), /curl -i http/)
})

t.test('it says what it does', async (t) => {
  const { ended, output } = startDemo(t, '--help')
  t.same(await ended, [0, null])
  t.match(output(), /--keep .*\n.*--help/)
  t.notMatch(output(), '✔')
})

t.test('it can be kept running, and then the printed requests work until Ctrl+C', async (t) => {
  const { demo, ended, output } = startDemo(t, '--keep')
  while (!output().includes('run until')) await once(demo.stdout, 'data')
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
