import { CompactSign } from 'jose'
import t from 'tap'
import { forgeries } from '../../../src/sandbox/identity-provider/token-forgeries.ts'
import { TOKEN_KINDS } from '../../../src/sandbox/identity-provider/token-kinds.ts'
import { fakeClock } from '../../support/clock.ts'
import { isDeferred } from '../../support/deferred-key.ts'
import { type IssuerKey, issuerKey, unsigned } from '../../support/issuer.ts'
import { EVENT, isRefusal, startLogoutService } from '../../support/logout-service.ts'
import { nothingStored } from '../../support/problems.ts'
import { sendBytes } from '../../support/raw-http.ts'

t.test('forgeries are rejected, and nothing is stored', async (t) => {
  const service = await startLogoutService(t, { key: await issuerKey('k1', 'RS256'), clock: fakeClock() })
  const { token, claims, issuer } = service
  const good = claims()
  const { iat } = good
  const common = await forgeries(issuer, good, TOKEN_KINDS['oidc-back-channel-logout'])
  const own: [name: string, token: string | Promise<string>, says: RegExp][] = [
    ['typ that is no text', token({}, { typ: 5 }), /typ/],
    ['an ID token', token({ events: undefined, nonce: 'n', auth_time: iat }, { typ: 'JWT' }), /events/],
    ['valid for days', token({ exp: iat + 7 * 86_400 }), /exp/],
    ['good for ever', token().then((good) => reworked(good, issuer.key)), /exp/],
    ['no exp, as Ory Hydra sends it', token({ exp: undefined, sub: undefined, sid: 's1' }), /exp/],
    ['events without the one of a logout', token({ events: { 'https://example.com/other': {} } }), /events/],
    ['an event that is no object', token({ events: { [EVENT]: true } }), /events/],
    ['events that are a list', token({ events: [EVENT] }), /events/],
    ['neither sub nor sid', token({ sub: undefined }), /sub/],
    ['a sub that is no text', token({ sub: 5 }), /sub/],
    ['a sub that no database stores', token({ sub: 'a\u0000b' }), /sub/],
    ['an empty one', '', /JWT/],
  ]
  for (const { name, token, fault, says } of common) {
    const reply = await service.logout(token)
    if (fault === 'key' && isDeferred(t, reply, name)) continue
    isRefusal(t, reply, 400, 'invalid_request', says, name)
  }
  for (const [name, forged, says] of own)
    isRefusal(t, await service.logout(await forged), 400, 'invalid_request', says, name)
  await nothingStored(t, service)
  t.same(await service.counts(), { 'op rejected': common.length + own.length })
  t.equal((await service.logout(await issuer.sign(good))).status, 200, 'the valid one is still accepted')
})

/** A valid signature over a time that JSON can express but a clock cannot. */
async function reworked(good: string, { alg, kid, privateKey }: IssuerKey): Promise<string> {
  const claims = Buffer.from(good.split('.')[1] ?? '', 'base64url').toString()
  const endless = claims.replace(/"exp":\d+/, '"exp":1e999')
  return new CompactSign(Buffer.from(endless)).setProtectedHeader({ alg, kid }).sign(privateKey)
}

t.test('requests that do not conform to the specification are rejected', async (t) => {
  const service = await startLogoutService(t)
  const good = await service.token()
  const form = 'application/x-www-form-urlencoded'
  const send = (body: string | undefined, type?: string, path = '/sources/op/backchannel-logout') =>
    service.call('POST', path, {
      body,
      headers: { authorization: '', ...(type ? { 'content-type': type } : {}) },
    })
  const bad = unsigned({ alg: 'none' }, service.claims())
  for (const [name, reply] of [
    ['as JSON', await send(JSON.stringify({ logout_token: good }), 'application/json')],
    ['as a JWT', await send(good, 'application/jwt')],
    ['as no type at all', await send(`logout_token=${good}`, 'nonsense')],
    ['no body', await send(undefined)],
    ['an empty form', await send('', form)],
    ['another parameter', await send(`token=${good}`, form)],
    ['two tokens', await send(`logout_token=${good}&logout_token=${good}`, form)],
    ['two tokens of which one is bad', await send(`logout_token=${good}&logout_token=${bad}`, form)],
    ['in the query', await send('', form, `/sources/op/backchannel-logout?logout_token=${good}`)],
  ] as const) {
    isRefusal(t, reply, 400, 'invalid_request', /Expected/, name)
  }
  const large = await send(`logout_token=${'x'.repeat(70_000)}`, form)
  isRefusal(t, large, 413, 'invalid_request', /too large/, 'a body over 64 KiB')
  const unknown = await send(`logout_token=${good}`, form, '/sources/nobody/backchannel-logout')
  isRefusal(t, unknown, 404, 'invalid_request', /does not exist/, 'an unknown source')
  for (const method of ['GET', 'PUT', 'DELETE'])
    t.equal((await service.call(method, '/sources/op/backchannel-logout')).status, 404, method)
  await nothingStored(t, service)
  t.same(Object.keys(await service.counts()), ['op rejected'], 'unknown names create no series')
  const charset = await send(`logout_token=${good}`, `${form}; charset=utf-8`)
  t.equal(charset.status, 200, 'a charset is accepted')
})

t.test('a repeated header is rejected', async (t) => {
  const service = await startLogoutService(t)
  const body = `logout_token=${await service.token()}`
  const answer = async (...types: string[]) => {
    const headers = types.map((type) => `Content-Type: ${type}\r\n`).join('')
    return sendBytes(
      service.url,
      `POST /sources/op/backchannel-logout HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    )
  }
  const form = 'application/x-www-form-urlencoded'
  for (const types of [
    ['application/json', form],
    [form, 'application/json'],
    [form, form],
  ])
    t.match(await answer(...types), /^HTTP\/1.1 400 /, types.join())
  await nothingStored(t, service)
  t.match(await answer(form), /^HTTP\/1.1 200 /)
})
