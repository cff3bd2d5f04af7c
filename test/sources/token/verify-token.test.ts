import { createHmac, generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { CurfewError, type ErrorCode } from '../../../src/base/errors.ts'
import { KeySet } from '../../../src/sources/token/key-set.ts'
import { type TokenIssuer, verifyToken } from '../../../src/sources/token/verify-token.ts'
import { fakeClock } from '../../support/clock.ts'
import { rejection } from '../../support/events.ts'
import { issuerKey, sign, unsigned } from '../../support/issuer.ts'
import { T0 } from '../../support/signals.ts'

const NOW = T0 / 1000
const CONFIG: TokenIssuer['config'] = {
  issuer: 'https://op.example',
  audience: ['client', 'other-client'],
  algorithms: ['ES256', 'RS256', 'EdDSA'],
}
const PROFILE = {
  name: 'a token of the test',
  types: [null, 'jwt', 'logout+jwt'],
  forbidden: ['nonce'],
  claims: z.looseObject({ iat: z.number(), exp: z.number(), jti: z.string() }),
  longestLifeS: 3 * 86_400,
}
const CLAIMS = { iss: 'https://op.example', aud: 'client', iat: NOW, exp: NOW + 120, jti: 'j1', sub: 'u1' }
const [key, rsa, stranger] = await Promise.all([issuerKey('k1'), issuerKey('k2', 'RS256'), issuerKey('k1')])

function keySet(keys: object[] = [key.jwk, rsa.jwk]) {
  const address = async () => 'https://op.example/keys'
  return new KeySet({ address, fetchJson: async () => ({ keys }), clock: fakeClock(T0) })
}

/** The error code for a token, or null. */
async function faultOf(token: string, different: Partial<TokenIssuer['config']> = {}, keys = keySet()) {
  const verified = verifyToken(token, { config: { ...CONFIG, ...different }, keys }, PROFILE, T0)
  return verified.then(
    () => null,
    (error) => {
      if (!(error instanceof CurfewError)) throw error
      // RFC 6749, section 5.2: the characters of an error_description.
      if (!/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/.test(error.message)) throw new Error(error.message)
      return error.code
    },
  )
}

t.test('a valid token is verified, and its claims are returned', async (t) => {
  for (const typ of [undefined, 'JWT', 'jwt', 'logout+jwt', 'application/logout+jwt', 'Logout+JWT'])
    t.equal(await faultOf(await sign(key, CLAIMS, { typ })), null, String(typ))
  t.equal(await faultOf(await sign(rsa, { ...CLAIMS, aud: ['x', 'other-client'] })), null)
  const good = await sign(key, CLAIMS)
  t.same(await verifyToken(good, { config: CONFIG, keys: keySet() }, PROFILE, T0), CLAIMS)
})

t.test('clocks may differ by a minute in both directions', async (t) => {
  for (const [claims, fault] of [
    [{ exp: NOW - 59 }, null],
    [{ exp: NOW - 60 }, 'CURFEW_TOKEN_TIME_INVALID'],
    [{ nbf: NOW + 60 }, null],
    [{ nbf: NOW + 61 }, 'CURFEW_TOKEN_TIME_INVALID'],
    [{ iat: NOW + 60 }, null],
    [{ iat: NOW + 61 }, 'CURFEW_TOKEN_TIME_INVALID'],
    [{ iat: NOW - 86_400 }, null],
    [{ exp: NOW + 3 * 86_400 }, null],
    [{ exp: NOW + 3 * 86_400 + 1 }, 'CURFEW_TOKEN_TIME_INVALID'],
  ] as const) {
    t.equal(await faultOf(await sign(key, { ...CLAIMS, ...claims })), fault, JSON.stringify(claims))
  }
})

t.test('an invalid token is rejected, with the reason', async (t) => {
  const claims: [object, ErrorCode][] = [
    [{ iss: 'https://op.example/' }, 'CURFEW_TOKEN_ISSUER_WRONG'],
    [{ iss: undefined }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ iss: ['https://op.example'] }, 'CURFEW_TOKEN_ISSUER_WRONG'],
    [{ aud: 'nobody' }, 'CURFEW_TOKEN_AUDIENCE_WRONG'],
    [{ aud: [] }, 'CURFEW_TOKEN_AUDIENCE_WRONG'],
    [{ aud: undefined }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ exp: undefined }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ exp: `${NOW + 120}` }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ iat: undefined }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ iat: 'now' }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ nbf: 'now' }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ jti: undefined }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ jti: 5 }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ nonce: 'n' }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
    [{ nonce: null }, 'CURFEW_TOKEN_CLAIMS_INVALID'],
  ]
  for (const [change, fault] of claims)
    t.equal(await faultOf(await sign(key, { ...CLAIMS, ...change })), fault, JSON.stringify(change))
  for (const typ of [
    'at+jwt',
    'secevent+jwt',
    'dpop+jwt',
    '',
    'application/',
    'jwt ',
    5,
    null,
    {},
    { toString: 1 },
  ])
    t.equal(
      await faultOf(await sign(key, CLAIMS, { typ: typ as never })),
      'CURFEW_TOKEN_MALFORMED',
      `typ ${JSON.stringify(typ)}`,
    )
})

t.test('a signature must be by a key of the issuer, with an allowed algorithm', async (t) => {
  const good = await sign(key, CLAIMS)
  const [head = '', payload = '', signature = ''] = good.split('.')
  t.equal(
    await faultOf(await sign(stranger, CLAIMS)),
    'CURFEW_TOKEN_SIGNATURE_INVALID',
    'the same kid, another key',
  )
  t.equal(await faultOf(await sign(key, CLAIMS, { kid: 'none' })), 'CURFEW_TOKEN_KEY_UNKNOWN')
  t.equal(
    await faultOf(await sign(key, CLAIMS, { kid: 'k2' })),
    'CURFEW_TOKEN_KEY_UNKNOWN',
    'the key of another algorithm',
  )
  t.equal(await faultOf(good, { algorithms: ['RS256'] }), 'CURFEW_TOKEN_SIGNATURE_INVALID')
  t.equal(await faultOf(`${head}.${payload}.`), 'CURFEW_TOKEN_SIGNATURE_INVALID')
  t.equal(await faultOf(`${head}.${payload}.${signature.slice(4)}AAAA`), 'CURFEW_TOKEN_SIGNATURE_INVALID')
  const other = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'u2' })).toString('base64url')
  t.equal(await faultOf(`${head}.${other}.${signature}`), 'CURFEW_TOKEN_SIGNATURE_INVALID')
  for (const alg of ['none', 'None', 'NONE', 'HS256', 'RS1'])
    t.equal(await faultOf(unsigned({ alg, kid: 'k1' }, CLAIMS)), 'CURFEW_TOKEN_SIGNATURE_INVALID', alg)
})

t.test('the public key is not accepted as an HMAC secret', async (t) => {
  const { kid, pem } = rsa
  for (const secret of [
    pem,
    JSON.stringify(rsa.jwk),
    String(rsa.jwk.n),
    Buffer.from(String(rsa.jwk.n), 'base64url'),
  ]) {
    const content = unsigned({ alg: 'HS256', kid }, CLAIMS).slice(0, -1)
    const forged = `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`
    t.equal(await faultOf(forged), 'CURFEW_TOKEN_SIGNATURE_INVALID')
  }
})

t.test('a key inside the token is ignored', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const own = { ...key, privateKey: privateKey as never }
  for (const header of [
    { jwk },
    { jku: 'https://attacker.example/keys' },
    { x5c: ['MIIB'] },
    { x5u: 'https://a.example' },
  ])
    t.equal(
      await faultOf(await sign(own, CLAIMS, header)),
      'CURFEW_TOKEN_SIGNATURE_INVALID',
      Object.keys(header).join(),
    )
})

t.test('a token that is not a compact JWT is rejected before any key is fetched', async (t) => {
  const good = await sign(key, CLAIMS)
  const [protectedHeader, payload, signature] = good.split('.')
  const bad = { protected: protectedHeader, signature: 'AAAA' }
  const general = JSON.stringify({ payload, signatures: [{ protected: protectedHeader, signature }, bad] })
  const flattened = JSON.stringify({ protected: protectedHeader, payload, signature })
  const unavailable = new KeySet({
    address: async () => {
      throw new Error('no key is needed')
    },
    fetchJson: async () => ({ keys: [] }),
    clock: fakeClock(T0),
  })
  for (const [name, token] of [
    ['nothing', ''],
    ['two parts', `${protectedHeader}.${payload}`],
    ['four parts', `${good}.`],
    ['five parts, as of an encrypted one', `${good}.a.b`],
    ['two signatures of which one is bad', general],
    ['flattened JSON', flattened],
    ['too long', await sign(key, { ...CLAIMS, more: 'x'.repeat(20_000) })],
    ['a header that is none', `e30.${payload}.${signature}`],
    ['a header that is no JSON', `AAAA.${payload}.${signature}`],
    [
      'an extension that must be understood',
      unsigned({ alg: 'ES256', crit: ['exp'], exp: 1 }, CLAIMS, 'AAAA'),
    ],
  ] as const) {
    t.equal(await faultOf(token, {}, unavailable), 'CURFEW_TOKEN_MALFORMED', name)
  }
  t.equal(await faultOf(good, {}, unavailable), 'CURFEW_KEYS_UNAVAILABLE')
})

t.test('claims must be an object', async (t) => {
  for (const payload of ['5', '[]', '"x"', 'null', '{']) {
    const { CompactSign } = await import('jose')
    const signer = new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    t.equal(await faultOf(await signer.sign(key.privateKey)), 'CURFEW_TOKEN_MALFORMED', payload)
  }
})

t.test('of a duplicate member, the last one counts', async (t) => {
  const [head, payload] = unsigned({}, CLAIMS).split('.')
  t.ok(head)
  const twice = Buffer.from('{"alg":"none","alg":"ES256","kid":"k1"}').toString('base64url')
  t.equal(await faultOf(`${twice}.${payload}.AAAA`), 'CURFEW_TOKEN_SIGNATURE_INVALID')
  const last = Buffer.from('{"alg":"ES256","kid":"k1","alg":"none"}').toString('base64url')
  t.equal(await faultOf(`${last}.${payload}.`), 'CURFEW_TOKEN_SIGNATURE_INVALID')
})

t.test('an unusable key of the issuer has another error than an invalid token', async (t) => {
  const broken = { ...key.jwk, x: 'AAAA' }
  t.equal(await faultOf(await sign(key, CLAIMS), {}, keySet([broken])), 'CURFEW_TOKEN_KEY_UNKNOWN')
  const { kid: _, ...nameless } = key.jwk
  const one = await sign(key, CLAIMS, { kid: undefined })
  t.equal(await faultOf(one, {}, keySet([nameless])), null, 'no kid, one key')
  t.equal(
    await faultOf(one, {}, keySet([key.jwk, stranger.jwk])),
    'CURFEW_TOKEN_KEY_UNKNOWN',
    'no kid, two keys',
  )
})

t.test('an error contains nothing from the token', async (t: Test) => {
  const marked = await sign(key, { ...CLAIMS, iss: 'marker', sub: 'marker' }, { kid: 'k1' })
  const error = await rejection(verifyToken(marked, { config: CONFIG, keys: keySet() }, PROFILE, T0))
  t.match(error, { name: 'CurfewError', code: 'CURFEW_TOKEN_ISSUER_WRONG' })
  t.notMatch(String(error), /marker/)
})
