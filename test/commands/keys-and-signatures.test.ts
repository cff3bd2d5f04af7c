import { createPublicKey } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { readClientKey } from '../../src/base/client-key.ts'
import { readKeyFile } from '../../src/base/secret-file.ts'
import { verifyWebhook, webhookKey } from '../../src/base/standard-webhooks.ts'
import { runCommand } from '../support/process.ts'
import { temporaryFolder, WEBHOOK_SECRET } from '../support/service.ts'

t.test('keys new creates an API key and its digest', async (t) => {
  const { key, digest } = JSON.parse((await runCommand(['keys', 'new', '--json'])).stdout)
  t.equal(digest, `sha256:${digestOfKey(key)}`)
  const text = await runCommand(['keys', 'new'])
  t.match(text, { code: 0, stdout: /^For the sender.*: +[\w-]{43}\nFor API_KEYS.*: +sha256:[0-9a-f]{64}\n$/ })
})

t.test('keys new creates a webhook secret', async (t) => {
  const { stdout } = await runCommand(['keys', 'new', '--webhook-secret'])
  t.match(stdout, /^whsec_[\w+/]{43}=\n$/)
})

t.test("keys new creates the client's private key once, readable by its owner only", async (t) => {
  const file = join(temporaryFolder(t), 'client.pem')
  const { code, stdout } = await runCommand(['keys', 'new', '--client-key', file])
  t.equal(code, 0)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(readClientKey(readKeyFile(file), {}), { key: { algorithm: 'ES384' } })
  t.equal(
    createPublicKey(stdout.slice(stdout.indexOf('-----BEGIN'))).asymmetricKeyDetails?.namedCurve,
    'secp384r1',
  )
  t.match(await runCommand(['keys', 'new', '--client-key', file]), { code: 64, stderr: /EEXIST/ })
})

t.test('sign prints headers that Curfew verifies', async (t) => {
  const body = '{"email":"ann@example.com"}'
  const signed = await runCommand(['sign', '--id', 'msg_1'], { WEBHOOK_SECRET }, body)
  t.equal(signed.code, 0)
  const headers = Object.fromEntries(
    signed.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(': ')),
  )
  t.equal(headers['webhook-id'], 'msg_1')
  const { 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers
  const key = webhookKey(WEBHOOK_SECRET)
  t.equal(verifyWebhook({ id: 'msg_1', timestamp, signatures }, Buffer.from(body), [key], Date.now()), key)
  const first = await runCommand(['sign', '--json'], { WEBHOOK_SECRETS: `${WEBHOOK_SECRET},other` }, body)
  t.match(JSON.parse(first.stdout), { 'webhook-id': /^msg_/ })
})

t.test('sign needs a valid secret, and never repeats it', async (t) => {
  t.match(await runCommand(['sign'], {}, '{}'), { code: 78, stderr: /WEBHOOK_SECRET/ })
  const { code, stderr } = await runCommand(['sign'], { WEBHOOK_SECRET: 'marker' }, '{}')
  t.equal(code, 78)
  t.notMatch(stderr, 'marker')
})
