import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { bare, MAIN, runCommand } from '../support/process.ts'

const KEY = 'test-api-key-0123456789abcdef'
const noScript =
  !/util-linux/.test(String(spawnSync('script', ['--version']).stdout)) &&
  'there is no script(1) of util-linux'

t.test(
  'Ctrl-C, Ctrl-D and no at a question end the command, and nothing is done',
  { skip: noScript },
  async (t) => {
    for (const [input, code] of [
      ['\x03', 130],
      ['\x04', 130],
      ['n\r', 1],
    ] as const) {
      const terminal = spawn('script', ['-qec', `exec ${process.execPath} ${MAIN} cancel x`, '/dev/null'], {
        // Nothing listens there: a call would exit with 69.
        env: bare({ CURFEW_URL: 'http://127.0.0.1:9', CURFEW_API_KEY: KEY }),
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      t.teardown(() => terminal.kill('SIGKILL'))
      let output = ''
      terminal.stdout.on('data', (chunk) => {
        output += chunk
      })
      while (!output.includes('[y/N]')) await once(terminal.stdout, 'data')
      terminal.stdin.write(input)
      t.same(await once(terminal, 'close'), [code, null])
      t.match(output, 'Nothing was done.')
      t.notMatch(output, 'Unexpected')
    }
  },
)

t.test('an address with a password is rejected, and not repeated', async (t) => {
  for (const command of ['status', 'doctor']) {
    const { code, stdout, stderr } = await runCommand([command], {
      CURFEW_URL: 'https://ops:marker@curfew.internal',
    })
    t.equal(code, 78)
    t.match(stderr, /^CURFEW_URL: expected an address without a user name and password/)
    t.notMatch(stdout + stderr, 'marker')
  }
})

t.test('if the reader of the output has gone, the exit code still reports a problem', async (t) => {
  const child = spawn(process.execPath, [MAIN, 'check-config'], { env: bare({ PORT: 'x' }) })
  child.stdout.destroy()
  t.same(await once(child, 'close'), [78, null])
})
