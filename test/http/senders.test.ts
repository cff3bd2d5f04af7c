import { randomBytes } from 'node:crypto'
import t from 'tap'
import { signedHeaders, signWebhook } from '../../src/base/standard-webhooks.ts'
import { Senders } from '../../src/http/senders.ts'
import { fakeClock } from '../support/clock.ts'

const BODY = 'x'.repeat(64 * 1024)
const FORGED = `whsec_${randomBytes(32).toString('base64')}`

/** Senders with this many webhook secrets, named `sender-0` and so on. */
function withSecrets(count: number) {
  const clock = fakeClock()
  const webhookSecrets = Array.from({ length: count }, (_, index) => ({
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
  const verify = (index: number | null, { body = BODY, hint = null as string | null, failures = 0 } = {}) => {
    const secret = index === null ? FORGED : String(webhookSecrets[index]?.secret)
    const headers = signedHeaders(signWebhook({ secret, id: 'msg_1', body, now: clock.now() }))
    if (!headers) throw new Error('expected a signature')
    return senders.bySignature(headers, Buffer.from(body), { hint, failures })
  }
  return { clock, refused, verify }
}

t.test('a signature by any secret is accepted while forged ones use up the budget', async (t) => {
  const { clock, refused, verify } = withSecrets(994)
  const invalid = { code: 'CURFEW_SIGNATURE_INVALID' }
  const forged: Promise<{ code: string }>[] = []
  for (let index = 0; index < 20; index += 1) {
    forged.push(verify(null, { failures: 100 }).catch((error) => error))
    await undefined
  }
  for (const one of forged.slice(0, 3))
    t.match(await one, invalid, '128 MiB at once: three searches of 61 MiB')
  t.match(await verify(5), { name: 'sender-5' }, 'one of the 32 that matched last is found at once')
  t.match(await verify(900, { hint: 'sender-900' }), { name: 'sender-900' }, 'the hinted one as well')
  const honest = verify(901, { body: '{}', failures: 100 })
  const other = verify(902, { failures: 0 })
  clock.advance(1_000)
  t.match(await other, { name: 'sender-902' }, 'the turn of the address without failures')
  clock.advance(1_000)
  t.match(await honest, { name: 'sender-901' }, 'then of the small body, before 17 forged ones')
  for (let second = 0; second < 20; second += 1) {
    clock.advance(1_000)
    await new Promise(setImmediate)
  }
  const codes = (await Promise.all(forged)).map(({ code }) => code)
  t.same(new Set(codes), new Set(['CURFEW_SIGNATURE_INVALID', 'CURFEW_OVERLOADED']))
  t.equal(refused.length, codes.filter((code) => code === 'CURFEW_OVERLOADED').length)
})

t.test('a hint is not believed: it only decides which secret is tried first', async (t) => {
  const { verify } = withSecrets(40)
  t.match(await verify(39, { hint: 'sender-38' }), { name: 'sender-39' })
  t.match(await verify(38, { hint: 'unknown' }), { name: 'sender-38' })
  await t.rejects(verify(null, { hint: 'sender-38' }), { code: 'CURFEW_SIGNATURE_INVALID' })
})
