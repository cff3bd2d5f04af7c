import { createHash, createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { startWithSources } from '../../support/source-service.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

t.test('a delivery whose age nothing tells is remembered for a day', async (t) => {
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

t.test('a signature that is good for longer than ten minutes is remembered for longer, too', async (t) => {
  const clock = fakeClock()
  const secret = 'a-shared-secret-of-32-characters'
  const hmac = { scheme: 'hmac', header: 'X-Signature', signed: '{timestamp}.{body}' }
  const generic = {
    ...vendorOf('generic'),
    entry: {
      secret,
      proof: { ...hmac, timestamp: { header: 'X-Time', toleranceSeconds: 3_600 } },
      type: '{type}',
      events: { 'signed-out': 'security' },
      user: { as: 'subject', from: '{user}' },
    },
    sign: async (body: string) => {
      const time = String(Math.floor(at / 1000))
      const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
      return { 'x-time': time, 'x-signature': signature }
    },
  }
  const fusionauth = {
    ...vendorOf('fusionauth'),
    sign: async (body: string) => ({
      'x-fusionauth-signature-jwt': await new SignJWT({
        request_body_sha256: createHash('sha256').update(body).digest('base64'),
        exp: Math.floor(at / 1000) + 3_600,
      })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(vendorOf('fusionauth').secret)),
    }),
  }
  const at = clock.now()
  for (const [vendor, body] of [
    [generic, { type: 'signed-out', user: 'u1' }],
    [fusionauth, fusionauth.sample('e1')],
  ] as const) {
    const { send, counted } = await vendorService(t, vendor, {}, { clock, sandbox: { now: clock.now } })
    t.ok((await send(body)).status < 300)
    clock.jump(20 * 60_000)
    t.ok((await send(body)).status < 300)
    t.equal(await counted('replayed'), 1, vendor.kind)
    t.equal(await counted('accepted'), 1, vendor.kind)
  }
})

t.test('what is said again under a new timestamp is said anew', async (t) => {
  const clock = fakeClock()
  const secret = 'a-shared-secret-of-32-characters'
  const hmac = { scheme: 'hmac', header: 'X-Signature', signed: '{timestamp}.{body}' }
  const vendor = {
    ...vendorOf('generic'),
    entry: {
      secret,
      proof: { ...hmac, timestamp: { header: 'X-Time', unit: 'ms' } },
      type: '{type}',
      events: { 'signed-out': 'logout' },
      user: { as: 'subject', from: '{user}' },
    },
    sign: async (body: string, { at }: { at: number }) => ({
      'x-time': String(at),
      'x-signature': createHmac('sha256', secret).update(`${at}.${body}`).digest('hex'),
    }),
  }
  const { send, counted } = await vendorService(t, vendor, {}, { clock, sandbox: { now: clock.now } })
  const body = { type: 'signed-out', user: 'u1' }
  const first = clock.now()
  await send(body, { at: first })
  clock.jump(60_000)
  await send(body, { at: first })
  t.equal(await counted('replayed'), 1, 'sent again')
  await send(body, { at: clock.now() })
  t.equal(await counted('accepted'), 2, 'the same user has logged out once more')
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
