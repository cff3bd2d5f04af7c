import { createHash, createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import t from 'tap'
import type { Vendor } from '../../../src/sandbox/identity-provider/vendors.ts'
import { fakeClock } from '../../support/clock.ts'
import { startWithSources } from '../../support/source-service.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

t.test('a delivery without a time is remembered for a day', async (t) => {
  const clock = fakeClock()
  const { send, counted } = await vendorService(
    t,
    vendorOf('qlik'),
    {},
    { clock, sandbox: { now: clock.now } },
  )
  const body = vendorOf('qlik').sample('e1')
  await send(body)
  clock.jump(23 * 60 * 60_000)
  t.equal((await send(body)).status, 204)
  t.equal(await counted('replayed'), 1)
  t.equal(await counted('accepted'), 1)
})

/** A source that signs body and timestamp, in units of this many ms, without an id. */
function timedSource(timestamp: object, unitMs: number, reason: string): Vendor {
  const proof = { scheme: 'hmac', header: 'X-Signature', signed: '{timestamp}.{body}' }
  return {
    ...vendorOf('generic'),
    entry: {
      proof: { ...proof, timestamp: { header: 'X-Time', ...timestamp } },
      type: '{type}',
      events: { 'signed-out': reason },
      user: { as: 'subject', from: '{user}' },
    },
    sign(body, { secret, at }) {
      const time = String(Math.floor(at / unitMs))
      return {
        'x-time': time,
        'x-signature': createHmac('sha256', secret).update(`${time}.${body}`).digest('hex'),
      }
    },
  }
}
const SIGNED_OUT = { type: 'signed-out', user: 'u1' }

t.test('a signature that is valid for more than ten minutes is remembered for longer, too', async (t) => {
  const clock = fakeClock()
  const at = clock.now()
  const generic = timedSource({ toleranceSeconds: 3_600 }, 1_000, 'security')
  const fusionauth: Vendor = {
    ...vendorOf('fusionauth'),
    sign: async (body, { secret, at }) => ({
      'x-fusionauth-signature-jwt': await new SignJWT({
        request_body_sha256: createHash('sha256').update(body).digest('base64'),
        exp: Math.floor(at / 1000) + 3_600,
      })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(secret)),
    }),
  }
  for (const [vendor, body] of [
    [generic, SIGNED_OUT],
    [fusionauth, fusionauth.sample('e1')],
  ] as const) {
    const { send, counted } = await vendorService(t, vendor, {}, { clock, sandbox: { now: clock.now } })
    t.ok((await send(body, { at })).status < 300)
    clock.jump(20 * 60_000)
    t.ok((await send(body, { at })).status < 300)
    t.equal(await counted('replayed'), 1, vendor.kind)
    t.equal(await counted('accepted'), 1, vendor.kind)
  }
})

t.test('the same body with a new timestamp is a new delivery', async (t) => {
  const clock = fakeClock()
  const vendor = timedSource({ unit: 'ms' }, 1, 'logout')
  const { send, counted } = await vendorService(t, vendor, {}, { clock, sandbox: { now: clock.now } })
  const first = clock.now()
  await send(SIGNED_OUT, { at: first })
  clock.jump(60_000)
  await send(SIGNED_OUT, { at: first })
  t.equal(await counted('replayed'), 1, 'sent again')
  await send(SIGNED_OUT, { at: clock.now() })
  t.equal(await counted('accepted'), 2, 'a second logout of the same user')
})

t.test('the same id from two sources is two deliveries', async (t) => {
  const { secret, sample, sign } = vendorOf('qlik')
  const names = ['first', 'second']
  const entries = names.map((name) => ({ name, kind: 'qlik', secret }))
  const { call, counts } = await startWithSources(t, entries)
  const body = JSON.stringify(sample('e1'))
  const headers = { 'content-type': 'application/json', ...(await sign(body, { secret, at: 0 })) }
  for (const name of names)
    t.equal((await call('POST', `/sources/${name}/webhook`, { headers, body })).status, 204)
  t.match(await counts(), { 'first accepted': 1, 'second accepted': 1 })
})

t.test('an implausible time is ignored', async (t) => {
  const clock = fakeClock()
  const { send, counted } = await vendorService(
    t,
    vendorOf('auth0-log-stream'),
    {},
    { clock, sandbox: { now: clock.now } },
  )
  const log = { type: 'slo', user_id: 'auth0|1', date: '9999-12-31T23:59:59Z' }
  for (const _ of [1, 2]) await send([{ data: log }])
  t.equal(await counted('accepted'), 2, 'it does not distinguish two logouts')
})
