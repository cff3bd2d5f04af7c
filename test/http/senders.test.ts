import { randomBytes } from 'node:crypto'
import t from 'tap'
import { signedHeaders } from '../../src/base/standard-webhooks.ts'
import { Senders } from '../../src/http/senders.ts'
import { signWebhook } from '../../src/sandbox/sign-webhook.ts'
import { fakeClock } from '../support/clock.ts'

const BODY = 'x'.repeat(64 * 1024)

t.test('searching for the secret of forged webhooks is limited; recent senders are not', async (t) => {
  const clock = fakeClock()
  const webhookSecrets = Array.from({ length: 994 }, (_, index) => ({
    name: `sender-${index}`,
    secret: `whsec_${randomBytes(32).toString('base64')}`,
    tenants: null,
  }))
  const refused: string[] = []
  const log = { info() {}, warn() {}, error() {} }
  const senders = new Senders(
    { apiKeys: [], webhookSecrets },
    { clock, log, refused: (reason) => void refused.push(reason) },
  )
  const verify = (secret: string, onlyRecent = false) => {
    const headers = signedHeaders(signWebhook({ secret, id: 'msg_1', body: BODY, now: clock.now() }))
    if (!headers) throw new Error('expected a signature')
    return senders.bySignature(headers, Buffer.from(BODY), { now: clock.now(), onlyRecent })
  }
  const forged = `whsec_${randomBytes(32).toString('base64')}`
  const [known, unknown] = [String(webhookSecrets[993]?.secret), String(webhookSecrets[900]?.secret)]
  t.equal(verify(known).kind, 'webhook')
  let searches = 0
  while (refused.length === 0) {
    searches += 1
    t.throws(() => verify(forged), { code: refused.length > 0 ? 'CURFEW_OVERLOADED' : /./ })
  }
  t.equal(searches, 4, '128 MiB: three searches of 61 MiB')
  t.throws(() => verify(unknown), { code: 'CURFEW_OVERLOADED', retryAfterSeconds: 1 })
  t.equal(verify(known).kind, 'webhook')
  clock.advance(1_000)
  t.throws(() => verify(unknown, true), { code: 'CURFEW_SIGNATURE_INVALID' }, 'the address is limited')
  t.equal(verify(unknown).kind, 'webhook')
  t.same(refused, ['verification', 'verification'])
})
