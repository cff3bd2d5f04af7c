import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { bare } from './support/process.ts'
import { databaseUrl, environmentFor, request } from './support/service.ts'

const MAIN = join(import.meta.dirname, '../src/main.ts')
const noScript =
  !/util-linux/.test(String(spawnSync('script', ['--version']).stdout)) &&
  'there is no script(1) of util-linux'

t.test('on a terminal the log is readable by people, to its last line', { skip: noScript }, async (t) => {
  const environment = environmentFor({ url: 'http://127.0.0.1:9' }, { id: 'c', secret: 's' }, databaseUrl(t))
  const terminal = spawn('script', ['-qec', `exec ${process.execPath} ${MAIN}`, '/dev/null'], {
    env: bare({ ...environment, PORT: '0' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => terminal.kill('SIGKILL'))
  let output = ''
  terminal.stdout.on('data', (chunk) => {
    output += stripVTControlCharacters(String(chunk))
  })
  while (!output.includes('Curfew is ready')) await once(terminal.stdout, 'data')
  terminal.stdin.write('\x03')
  t.same(await once(terminal, 'close'), [0, null])
  t.match(output, /^\[[\d:.]+\] INFO: Curfew is ready \{"version":/m)
  t.match(output, /INFO: shutting down .*"SIGINT"/)
})

t.test('the service survives its terminal', { skip: noScript }, async (t) => {
  const environment = environmentFor({ url: 'http://127.0.0.1:9' }, { id: 'c', secret: 's' }, databaseUrl(t))
  const terminal = spawn('script', ['-qec', `echo pid=$$; exec ${process.execPath} ${MAIN}`, '/dev/null'], {
    env: bare({ ...environment, PORT: '0' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  terminal.stdout.on('data', (chunk) => {
    output += stripVTControlCharacters(String(chunk))
  })
  while (!output.includes('Curfew is ready')) await once(terminal.stdout, 'data')
  const pid = Number(/pid=(\d+)/.exec(output)?.[1])
  const url = String(/"address":"([^"]+)"/.exec(output)?.[1])
  t.teardown(() => process.kill(pid, 'SIGKILL'))
  terminal.kill('SIGKILL')
  await once(terminal, 'close')
  // A reload logs a line, which the closed terminal does not take.
  for (let times = 0; times < 3; times += 1)
    t.equal((await request(url, 'POST', '/config/reload')).status, 200)
  t.equal((await request(url, 'GET', '/health/live')).status, 200)
})
