import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { keyIn } from '../../src/commands/hash-api-key.ts'
import { startWithKeys } from '../support/api-keys.ts'
import { bare } from '../support/process.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const KEY = 'a-key-of-the-test-0123456789'
const DIGEST = `sha256:${createHash('sha256').update(KEY).digest('hex')}`

/** Runs the command with this standard input, with no environment. */
async function run(input: string, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'hash-api-key', ...args], { env: bare({}) })
  // The command may exit without reading.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

t.test('it prints the digest of the key in standard input', async (t) => {
  t.same(await run(`  ${KEY}\r\n`), { code: 0, stdout: `${DIGEST}\n`, stderr: '' })
  for (const input of [KEY, `${KEY}\n`, `  ${KEY}\r\n`]) t.equal(keyIn(input), KEY)
})

t.test('it generates a key, which Curfew accepts with the printed digest', async (t) => {
  const outputs = [await run('', '--generate'), await run('ignored', '--generate')]
  const [first = '', second] = outputs.map(({ stdout }) => stdout)
  t.match(first, /^[\w-]{43}\nsha256:[0-9a-f]{64}\n$/)
  t.not(first, second)
  const [key = '', digest = ''] = first.split('\n')
  const { call } = await startWithKeys(t, { generated: { key: digest } })
  const statusOf = async (bearer: string) =>
    (await call('GET', '/revocations', { headers: { authorization: `Bearer ${bearer}` } })).status
  t.same([await statusOf(key), await statusOf(digest)], [200, 401])
})

t.test('it rejects what is no key, and never repeats it', async (t) => {
  for (const input of [
    '',
    'marker',
    `marker ${KEY}`,
    `marker${KEY}\n${KEY}`,
    'marker'.repeat(100),
    'sha256:marker',
  ])
    t.throws(() => keyIn(input), { message: /^Standard input holds no API key(?!.*marker)/s })
  t.throws(() => keyIn(DIGEST), { message: /^Standard input holds a digest/ })
  const argument = await run('', 'marker-key-0123456789abcdef')
  t.match(argument, { code: 64, stdout: '', stderr: /^Invalid arguments\.\n\nUsage: / })
  const key = await run('marker')
  t.match(key, { code: 64, stdout: '', stderr: /^Standard input holds no API key/ })
  for (const { stderr } of [argument, key]) t.notMatch(stderr, 'marker')
  t.match(await run('', '--help'), { code: 0, stdout: /^Usage: hash-api-key/ })
})
