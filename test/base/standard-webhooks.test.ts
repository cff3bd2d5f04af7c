import type { KeyObject } from 'node:crypto'
import t from 'tap'
import {
  type SignedHeaders,
  signedHeaders,
  verifyWebhook,
  webhookKey,
} from '../../src/base/standard-webhooks.ts'

// The published test vector: https://github.com/standard-webhooks/standard-webhooks
const KEY = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
const BODY = Buffer.from('{"test": 2432232314}')
const VECTOR = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: '1614265330', signatures: SIGNATURE }
const AT = 1_614_265_330_000
const OTHER_KEY = webhookKey(`whsec_${Buffer.alloc(24, 1).toString('base64')}`)
const OTHER_SIGNATURE = `v1,${Buffer.alloc(32, 7).toString('base64')}`

const verify = (different: Partial<SignedHeaders> = {}, { body = BODY, keys = [KEY], now = AT } = {}) =>
  verifyWebhook({ ...VECTOR, ...different }, body, keys, now)

t.test('the published vector is accepted, and the matching key is returned', async (t) => {
  t.equal(verify(), KEY)
})

t.test('one match is enough, whichever key and signature it is', async (t) => {
  const accepted: [string, string, KeyObject[]][] = [
    ['the newer of two keys', SIGNATURE, [OTHER_KEY, KEY]],
    ['the older of two keys', SIGNATURE, [KEY, OTHER_KEY]],
    ['the first of two signatures', `${SIGNATURE} ${OTHER_SIGNATURE}`, [KEY]],
    ['the last of sixteen signatures', `${OTHER_SIGNATURE} `.repeat(15) + SIGNATURE, [KEY]],
    ['the last of two signatures', `${OTHER_SIGNATURE} ${SIGNATURE}`, [KEY]],
    ['separated by comma and space, as by Supabase', `${OTHER_SIGNATURE}, ${SIGNATURE}`, [KEY]],
    ['beside an asymmetric one', `v1a,${'A'.repeat(86)}== ${SIGNATURE}`, [KEY]],
    ['beside one of a version to come', `v2,abc ${SIGNATURE}`, [KEY]],
  ]
  for (const [name, signatures, keys] of accepted) t.equal(verify({ signatures }, { keys }), KEY, name)
})

t.test('the timestamp may differ by up to 5 minutes', async (t) => {
  for (const now of [AT - 300_000, AT + 300_000]) t.equal(verify({}, { now }), KEY, `${now - AT}`)
  for (const now of [AT - 300_001, AT + 300_001]) {
    t.throws(() => verify({}, { now }), { code: 'CURFEW_SIGNATURE_EXPIRED' }, `${now - AT}`)
  }
})

t.test('everything else is rejected', async (t) => {
  const flipped = Buffer.from(BODY)
  flipped.writeUInt8(flipped.readUInt8(9) ^ 1, 9)
  const refused: [string, Partial<SignedHeaders>, object?][] = [
    ['another id', { id: 'msg_p5jXN8AQM9LWM0D4loKWxJeK' }],
    ['another timestamp', { timestamp: '1614265331' }],
    ['a body that differs in one bit', {}, { body: flipped }],
    ['a body that is longer', {}, { body: Buffer.concat([BODY, Buffer.from('\n')]) }],
    ['no body', {}, { body: Buffer.alloc(0) }],
    ['another key', {}, { keys: [OTHER_KEY] }],
    ['no key at all', {}, { keys: [] }],
    ['no signature', { signatures: '' }],
    ['the right one after sixteen others', { signatures: `${OTHER_SIGNATURE} `.repeat(16) + SIGNATURE }],
    ['truncated base64', { signatures: SIGNATURE.slice(0, -4) }],
    ['base64 without its padding', { signatures: SIGNATURE.slice(0, -1) }],
    ['the bare base64', { signatures: SIGNATURE.slice(3) }],
    ['the right digest as v1a', { signatures: SIGNATURE.replace('v1', 'v1a') }],
    ['the right digest as v2', { signatures: SIGNATURE.replace('v1', 'v2') }],
    ['no id', { id: '' }],
    ['two ids in one', { id: `${VECTOR.id}, ${VECTOR.id}` }],
    ['an id without end', { id: 'i'.repeat(257) }],
    ['no timestamp', { timestamp: '' }],
    ['a fractional timestamp', { timestamp: '1614265330.0' }],
    ['a signed timestamp', { timestamp: '+1614265330' }],
    ['two timestamps', { timestamp: '1614265330, 1614265330' }],
    ['a date', { timestamp: '2021-02-25T15:02:10Z' }],
  ]
  for (const [name, headers, others] of refused) {
    t.throws(() => verify(headers, others), { code: 'CURFEW_SIGNATURE_INVALID' }, name)
  }
})

t.test(
  'a wrong signature is called wrong even when it is also old, so that nothing can be probed',
  async (t) => {
    t.throws(() => verify({ id: 'msg_other' }, { now: AT + 3_600_000 }), { code: 'CURFEW_SIGNATURE_INVALID' })
  },
)

t.test('headers are found under both names; a request without a signature is unsigned', async (t) => {
  const named = (prefix: string) => ({
    [`${prefix}-id`]: 'i',
    [`${prefix}-timestamp`]: '1',
    [`${prefix}-signature`]: 's',
  })
  const expected = { id: 'i', timestamp: '1', signatures: 's' }
  t.same(signedHeaders(named('webhook')), expected)
  t.same(signedHeaders(named('svix')), expected)
  t.same(signedHeaders({ ...named('svix'), 'webhook-signature': 'w' }), {
    id: '',
    timestamp: '',
    signatures: 'w',
  })
  t.equal(signedHeaders({ 'webhook-id': 'i', 'webhook-timestamp': '1' }), null)
})
