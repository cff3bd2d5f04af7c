import { createHash, createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import t from 'tap'
import { one } from '../../../src/sources/webhook/preset.ts'
import { readBody } from '../../../src/sources/webhook/read-body.ts'
import { fakeClock } from '../../support/clock.ts'
import { configurationFile, mistakesIn } from '../../support/config-file.ts'
import { keysOf } from '../../support/configuration.ts'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'
import { isProblem, nothingStored } from '../../support/problems.ts'
import { startWithSources } from '../../support/source-service.ts'
import { PATH, vendorOf, vendorService } from '../../support/vendor-service.ts'

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

t.test('what is sent again when it is forgotten ends nothing that began since', async (t) => {
  const clock = fakeClock()
  const { send, stored } = await vendorService(
    t,
    vendorOf('qlik'),
    {},
    { clock, sandbox: { now: clock.now } },
  )
  const body = { ...Object(vendorOf('qlik').sample('e1')), time: new Date(clock.now()).toISOString() }
  await send(body)
  t.match(await stored(), [{ reason: 'security', scope: 'all', occurredAt: body.time }])
  clock.jump(25 * 60 * 60_000)
  await send(body)
  const second = (await stored()).filter(({ scope }) => scope === 'issued-before')
  t.match(second, [{ reason: 'security', occurredAt: body.time }])
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

t.test('a source that is none, and one of another kind, has no webhook', async (t) => {
  const { service, send } = await vendorService(t, vendorOf('qlik'))
  isProblem(t, await service.call('POST', '/sources/nobody/webhook', { body: {} }), 'CURFEW_NOT_FOUND')
  const other = await service.call('POST', '/sources/the-source/backchannel-logout', { body: {} })
  t.equal(other.status, 404)
  isProblem(
    t,
    await send(vendorOf('qlik').sample('e1'), { secret: 'not-the-secret-at-all' }),
    'CURFEW_SOURCE_UNPROVEN',
  )
  await nothingStored(t, service)
})

t.test('an API key proves no source', async (t) => {
  const { service } = await vendorService(t, vendorOf('okta-event-hook'))
  const body = vendorOf('okta-event-hook').sample('e1')
  isProblem(t, await service.call('POST', PATH, { body }), 'CURFEW_SOURCE_UNPROVEN')
  await nothingStored(t, service)
})

t.test('a secret may stand in a file, or several of them while one is replaced', async (t) => {
  const { secret, otherSecret } = vendorOf('workos')
  const entry = { name: 'w', kind: 'workos', secretFile: 'secrets/workos' }
  for (const [content, mistakes] of [
    [`${secret}\n`, 0],
    [`${secret}\n${otherSecret}\n`, 0],
    [`${secret}\nshort\n`, 1],
    ['', 1],
    [Array.from({ length: 6 }, (_, index) => `${secret}${index}`).join('\n'), 1],
  ] as const) {
    const file = configurationFile(t, { sources: [entry] })
    file.beside('secrets/workos', content)
    const found = await mistakesIn(t, { sources: [] }, { CONFIG_FILE: file.path })
    t.same(keysOf(found), mistakes ? ['CONFIG_FILE /sources/0/secretFile'] : [])
  }
})

t.test('an entry of a vendor has one way to be proven', async (t) => {
  const secret = vendorOf('fusionauth').secret
  const jwksUri = 'https://auth.example.com/.well-known/jwks.json'
  const entry = { name: 'f', kind: 'fusionauth' }
  t.same(await mistakesIn(t, { sources: [{ ...entry, jwksUri }] }), [])
  t.same(keysOf(await mistakesIn(t, { sources: [{ ...entry, secret, jwksUri }] })), [
    'CONFIG_FILE /sources/0',
  ])
  t.same(keysOf(await mistakesIn(t, { sources: [entry] })), ['CONFIG_FILE /sources/0'])
  const http = { ...entry, jwksUri: 'http://auth.example.com/jwks' }
  t.same(keysOf(await mistakesIn(t, { sources: [http] })), ['CONFIG_FILE /sources/0/jwksUri'])
  const clerk = { name: 'c', kind: 'clerk', secret: 'no-secret-of-svix-at-all' }
  t.same(keysOf(await mistakesIn(t, { sources: [clerk] })), ['CONFIG_FILE /sources/0/secret'])
})

t.test('an event whose type is no text is of no use, and no failure', (t) => {
  for (const odd of [{ toString: 1, valueOf: 1 }, ['x'], null, 5.5]) {
    t.same(judged('stytch', { source: odd, object_type: 'user', action: 'DELETE', id: 'u1' }), IGNORED)
    t.same(
      judged('supabase', { type: 'DELETE', schema: odd, table: 'users', old_record: { id: 'u' } }),
      IGNORED,
    )
    t.same(judged('keycloak', { type: odd, userId: 'u1' }), IGNORED)
    t.same(
      judged('keycloak', { operationType: 'DELETE', resourceType: odd, resourcePath: 'users/u1' }),
      IGNORED,
    )
    t.same(judged('keycloak', { type: 'admin.USER-ACTION', resourcePath: odd }), IGNORED)
    t.same(judged('keycloak', { type: 'admin.USER-DELETE', resourcePath: odd }), REJECTED)
  }
  t.end()
})

t.test('a body that is not UTF-8 is not guessed at', async (t) => {
  const bytes = Buffer.from('{"user_id":"\xff"}', 'latin1')
  const read = () => readBody(bytes, 'application/json', { items: one })
  t.throws(read, { code: 'CURFEW_BODY_UNREADABLE' })
})
