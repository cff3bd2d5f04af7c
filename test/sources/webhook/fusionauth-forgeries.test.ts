import { createHash, createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { isDeferred } from '../../support/deferred-key.ts'
import { type IssuerKey, issuerKey, JWKS, sign, startIssuer, unsigned } from '../../support/issuer.ts'
import { isProblem, nothingStored } from '../../support/problems.ts'
import type { ServiceOptions } from '../../support/service.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const HEADER = 'x-fusionauth-signature-jwt'
const VENDOR = vendorOf('fusionauth')
const BODY = JSON.stringify(VENDOR.sample('e1'))
const digest = (body: string) => createHash('sha256').update(body).digest('base64')
/** The service's clock stands still, however long a test takes. */
const NOW = Date.now()
const seconds = () => Math.floor(NOW / 1000)
const claimsOf = (body: string) => ({ request_body_sha256: digest(body), iat: seconds() })

/** FusionAuth that signs with a key pair and publishes the public key. */
async function withKeys(t: Test, options: ServiceOptions = {}) {
  const key = await issuerKey('k1', 'RS256')
  const issuer = await startIssuer(t, { key })
  const entry = { secret: undefined, jwksUri: issuer.jwksUri }
  const { send, ...service } = await vendorService(t, VENDOR, entry, { clock: fakeClock(NOW), ...options })
  const post = (token: string, body = BODY) => send(body, { headers: { [HEADER]: token } })
  return { ...service, key, issuer, post }
}

/** A token signed with a text as an HMAC secret, for example a public key. */
function byText(secret: string | Buffer, header: object, claims: object): string {
  const content = unsigned({ alg: 'HS256', ...header }, claims).slice(0, -1)
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`
}

/** Tokens of an attacker without the key, or with another token that it signed. */
async function forgeries(key: IssuerKey): Promise<[name: string, token: string][]> {
  const good = claimsOf(BODY)
  const now = seconds()
  const [stranger, elliptic] = await Promise.all([issuerKey('k1', 'RS256'), issuerKey('k1', 'ES256')])
  const token = await sign(key, good)
  const [head = '', payload = '', signature = ''] = token.split('.')
  const signatures = [
    { protected: head, signature },
    { protected: head, signature: 'AAAA' },
  ]
  const forged: [string, string | Promise<string>][] = [
    ['alg none', unsigned({ alg: 'none', kid: 'k1' }, good)],
    ['alg none and a good signature', unsigned({ alg: 'none', kid: 'k1' }, good, signature)],
    ['HS256 with the public key as PEM', byText(key.pem, { kid: 'k1' }, good)],
    ['HS256 with the public key as JWK', byText(JSON.stringify(key.jwk), { kid: 'k1' }, good)],
    ['HS256 with the modulus', byText(Buffer.from(String(key.jwk.n), 'base64url'), { kid: 'k1' }, good)],
    ["somebody else's key under the same kid", sign(stranger, good)],
    ["somebody else's key of another kind", sign(elliptic, good)],
    ['an unknown kid', sign(key, good, { kid: 'k9' })],
    ["somebody else's key in the header", sign(stranger, good, { jwk: stranger.jwk })],
    ['keys at another address', sign(stranger, good, { jku: 'https://evil.example/keys' })],
    [
      'an extension that is not known',
      unsigned({ alg: 'RS256', kid: 'k1', crit: ['x'], x: 1 }, good, signature),
    ],
    [
      'other claims under the signature',
      `${head}.${unsigned({}, claimsOf('{}')).split('.')[1]}.${signature}`,
    ],
    ['no signature', `${head}.${payload}.`],
    ['two parts', `${head}.${payload}`],
    ['two signatures of which one is bad', JSON.stringify({ payload, signatures })],
    ['encrypted', `${head}.a.b.c.d`],
    ['for another body', sign(key, claimsOf('{}'))],
    ['an ID token', sign(key, { iss: 'x', aud: 'y', sub: 'u1', iat: now, exp: now + 300, nonce: 'n' })],
    ['a digest that is no text', sign(key, { ...good, request_body_sha256: [digest(BODY)] })],
    ['expired', sign(key, { ...good, iat: now - 300, exp: now - 90 })],
    ['not yet valid', sign(key, { ...good, nbf: now + 90 })],
    ['issued in the future', sign(key, { ...good, iat: now + 90 })],
  ]
  return Promise.all(forged.map(async ([name, one]) => [name, await one]))
}

t.test('with a key pair, every forgery is rejected, and nothing is stored', async (t) => {
  const { service, key, post, counted } = await withKeys(t)
  const forged = await forgeries(key)
  for (const [name, token] of forged) {
    t.comment(name)
    const reply = await post(token)
    if (name.startsWith('an unknown') && isDeferred(t, reply, name)) continue
    isProblem(t, reply, 'CURFEW_SOURCE_UNPROVEN')
  }
  await nothingStored(t, service)
  t.equal(await counted('rejected'), forged.length)
  const oversized = await sign(key, { ...claimsOf(BODY), more: 'x'.repeat(17_000) })
  t.equal((await post(oversized)).status, 431, 'Node takes no header that long')
  const token = await sign(key, claimsOf(BODY))
  for (const _ of [1, 2]) t.equal((await post(token)).status, 200, 'the valid one is still accepted')
  t.equal(await counted('accepted'), 1)
  t.equal(await counted('replayed'), 1)
})

t.test('with a secret, every forgery is rejected, and nothing is stored', async (t) => {
  const { service, send } = await vendorService(t, VENDOR, {}, { clock: fakeClock(NOW) })
  const good = claimsOf(BODY)
  const [stranger, now] = [await issuerKey('k1', 'RS256'), seconds()]
  const forged: [string, string][] = [
    ['alg none', unsigned({ alg: 'none' }, good)],
    ['no secret', byText('', {}, good)],
    ['another secret', byText(VENDOR.otherSecret, {}, good)],
    ['a key pair of its own', await sign(stranger, good)],
    ['its own key in the header', await sign(stranger, good, { jwk: stranger.jwk })],
    ['issued in the future', byText(VENDOR.secret, {}, { ...good, iat: now + 90 })],
  ]
  for (const [name, token] of forged) {
    t.comment(name)
    isProblem(t, await send(BODY, { headers: { [HEADER]: token } }), 'CURFEW_SOURCE_UNPROVEN')
  }
  await nothingStored(t, service)
  t.equal((await send(BODY, { headers: { [HEADER]: byText(VENDOR.secret, {}, good) } })).status, 200)
})

t.test('a flood of unknown keys causes one fetch per cooldown; a new key is found', async (t) => {
  const clock = fakeClock(NOW)
  const { issuer, key, post, service } = await withKeys(t, { clock, sandbox: { now: clock.now } })
  while (issuer.asked(JWKS) === 0) await service.call('GET', '/health/live')
  for (let round = 1; round <= 3; round += 1) {
    const tokens = Array.from({ length: 40 }, (_, index) =>
      sign(key, claimsOf(BODY), { kid: `unknown-${round}-${index}` }),
    )
    const replies = await Promise.all((await Promise.all(tokens)).map((token) => post(token)))
    for (const reply of replies) t.ok(reply.status === 401 || isDeferred(t, reply, 'unknown'))
    t.equal(issuer.asked(JWKS), round + 1, 'once at the start')
    clock.advance(30_000)
  }
  await nothingStored(t, service)
  const next = await issuerKey('k2', 'RS256')
  issuer.keys = [next.jwk]
  t.equal((await post(await sign(next, claimsOf(BODY)))).status, 200)
  t.ok(isDeferred(t, await post(await sign(key, claimsOf(BODY))), 'old'), 'the old one is not accepted')
})

t.test('redirects to its keys are not followed', async (t) => {
  const stranger = await issuerKey('k1', 'RS256')
  const elsewhere = await startIssuer(t, { key: stranger })
  for (const status of [301, 302, 307, 308]) {
    const { issuer, post, service } = await withKeys(t)
    issuer.answer(JWKS, (_, response) => response.writeHead(status, { location: elsewhere.jwksUri }).end())
    isProblem(t, await post(await sign(stranger, claimsOf(BODY))), 'CURFEW_KEYS_UNAVAILABLE')
    await nothingStored(t, service)
  }
  t.equal(elsewhere.asked(JWKS), 0)
})

t.test('a published symmetric key is not accepted', async (t) => {
  const { issuer, post, service } = await withKeys(t)
  const k = Buffer.from('a-shared-secret-of-32-characters')
  issuer.keys = [{ kty: 'oct', kid: 'k1', alg: 'HS256', k: k.toString('base64url') }]
  isProblem(t, await post(byText(k, { kid: 'k1' }, claimsOf(BODY))), 'CURFEW_SOURCE_UNPROVEN')
  await nothingStored(t, service)
})
