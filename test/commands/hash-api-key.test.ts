import { createHash } from 'node:crypto'
import t from 'tap'
import { keyIn } from '../../src/commands/hash-api-key.ts'
import { startWithKeys } from '../support/api-keys.ts'
import { runCommand } from '../support/process.ts'

const KEY = 'a-key-of-the-test-0123456789'
const DIGEST = `sha256:${createHash('sha256').update(KEY).digest('hex')}`

const run = (input: string, ...args: string[]) => runCommand(['hash-api-key', ...args], {}, input)

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
  t.match(argument, { code: 64, stdout: '', stderr: /^Too many arguments\.\n\nUsage: / })
  const key = await run('marker')
  t.match(key, { code: 64, stdout: '', stderr: /^Standard input holds no API key/ })
  for (const { stderr } of [argument, key]) t.notMatch(stderr, 'marker')
  t.match(await run('', '--help'), { code: 0, stdout: /^Usage: curfew hash-api-key/ })
})
