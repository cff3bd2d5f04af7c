import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { ASSERTION_TYPE } from '../../src/sandbox/client-assertion.ts'
import { clientKeyPair, ecPair, publicJwk } from '../support/client-keys.ts'
import { unsigned } from '../support/issuer.ts'
import { openSandbox, stoppedClock } from './open-sandbox.ts'

const rsa = clientKeyPair('RS256', 'k1')
const ec = clientKeyPair('ES384', 'k2')
const { alg: _, ...anyAlgorithm } = rsa.publicKey

/** A tenant whose client has an RSA and an EC key, and the claims of its assertions. */
async function setUp(t: Test) {
  const clock = stoppedClock()
  const publicKeys = [anyAlgorithm, ec.publicKey]
  const sandbox = await openSandbox(t, { now: clock.now }, { id: 'client-1', publicKeys })
  const now = clock.time / 1_000
  const claims = {
    ...{ iss: 'client-1', sub: 'client-1', aud: `${sandbox.url}/oauth/token` },
    ...{ jti: randomUUID(), iat: now, exp: now + 60 },
  }
  return { ...sandbox, clock, now, claims, post: (form: object) => post(sandbox.url, form) }
}

async function post(url: string, form: object, headers: Record<string, string> = {}) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    scope: 'admin_classic',
    ...form,
  })
  const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body, headers })
  return { status: answer.status, body: JSON.parse(await answer.text()) }
}

type Key = Parameters<SignJWT['sign']>[0]

const signed = (
  claims: object,
  alg = 'RS256',
  { key = rsa.privateKey, ...header }: { key?: Key; kid?: string } = {},
) => new SignJWT({ ...claims }).setProtectedHeader({ alg, ...header }).sign(key)

t.test('an assertion signed with a key of the client is accepted, with each algorithm', async (t) => {
  const { post, claims, call } = await setUp(t)
  for (const [alg, key, kid] of [
    ['RS256', rsa.privateKey, 'k1'],
    ['RS512', rsa.privateKey, 'k1'],
    ['ES384', ec.privateKey, 'k2'],
    ['RS512', rsa.privateKey, undefined],
    ['ES384', ec.privateKey, undefined],
  ] as const) {
    const header = kid === undefined ? { key } : { key, kid }
    const client_assertion = await signed({ ...claims, jti: randomUUID() }, alg, header)
    const { status, body } = await post({ client_assertion, client_id: 'client-1' })
    t.equal(status, 200, `${alg} ${kid}`)
    t.equal((await call('GET', '/api/v1/oauth-tokens', { token: body.access_token })).status, 200)
  }
  const client_assertion = await signed({ ...claims, jti: randomUUID() })
  t.equal((await post({ client_assertion })).status, 200, 'client_id may be left out')
})

t.test('an assertion is accepted once', async (t) => {
  const { post, claims, clock } = await setUp(t)
  const client_assertion = await signed(claims)
  t.equal((await post({ client_assertion })).status, 200)
  t.equal((await post({ client_assertion })).status, 401)
  t.equal((await post({ client_assertion: await signed(claims, 'RS512') })).status, 401, 'signed again')
  const both = await signed({ ...claims, jti: randomUUID() })
  const answers = await Promise.all([post({ client_assertion: both }), post({ client_assertion: both })])
  t.same(answers.map(({ status }) => status).sort(), [200, 401], 'at the same time')
  clock.time += 61_000
  const later = { ...claims, iat: clock.time / 1_000, exp: clock.time / 1_000 + 60 }
  t.equal(
    (await post({ client_assertion: await signed(later) })).status,
    200,
    'forgotten when it has expired',
  )
})

t.test('a forged or invalid assertion gets 401 with the documented code', async (t) => {
  const { post, claims, now, url, tenant } = await setUp(t)
  const other = clientKeyPair('RS256', 'k9')
  tenant.addClient({ id: 'client-2', publicKeys: [other.publicKey] })
  const p256 = ecPair('P-256').privateKey
  const [header, payload, signature] = (await signed(claims)).split('.')
  const altered = Buffer.from(JSON.stringify({ ...claims, exp: now + 61 })).toString('base64url')
  const publicPem = String(createPublicKey(rsa.privateKey).export({ type: 'spki', format: 'pem' }))
  const cases: Record<string, string | Promise<string>> = {
    'no JWT': 'marker',
    'no signature': `${header}.${payload}.`,
    'alg none': unsigned({ alg: 'none' }, claims),
    'another payload': `${header}.${altered}.${signature}`,
    'another header': `${Buffer.from('{"alg":"RS512"}').toString('base64url')}.${payload}.${signature}`,
    'another key': signed(claims, 'RS256', { key: other.privateKey }),
    'another key by the name of one': signed(claims, 'RS256', { key: other.privateKey, kid: 'k1' }),
    'the name of the other key': signed(claims, 'RS256', { kid: 'k2' }),
    'an unknown name': signed(claims, 'RS256', { kid: 'k3' }),
    'HMAC by the public key': signed(claims, 'HS256', { key: new TextEncoder().encode(publicPem) }),
    'an algorithm that is not in the list': signed(claims, 'RS384'),
    'another padding': signed(claims, 'PS256'),
    'another curve': signed(claims, 'ES256', { key: p256 }),
    'of another client, by its own key': signed({ ...claims, iss: 'client-2', sub: 'client-2' }, 'RS256', {
      key: rsa.privateKey,
    }),
    'of an unknown client': signed({ ...claims, iss: 'nobody', sub: 'nobody' }),
    'of another issuer': signed({ ...claims, iss: 'client-2' }),
    'of no issuer': signed({ ...claims, iss: undefined }),
    'for nobody': signed({ ...claims, sub: undefined }),
    'an audience with a slash': signed({ ...claims, aud: `${url}/oauth/token/` }),
    'the tenant as its audience': signed({ ...claims, aud: url }),
    'another tenant': signed({ ...claims, aud: 'https://other.eu.qlikcloud.com/oauth/token' }),
    'two audiences': signed({ ...claims, aud: [claims.aud, 'https://other.example'] }),
    'no audience': signed({ ...claims, aud: undefined }),
    expired: signed({ ...claims, iat: now - 60, exp: now }),
    'without an end': signed({ ...claims, exp: undefined }),
    'valid for too long': signed({ ...claims, exp: now + 301 }),
    'issued in the future': signed({ ...claims, iat: now + 1 }),
    'without its time': signed({ ...claims, iat: undefined }),
    'not yet valid': signed({ ...claims, nbf: now + 1 }),
    'without an id': signed({ ...claims, jti: undefined }),
    'an id that is no UUID': signed({ ...claims, jti: '1' }),
  }
  for (const [name, assertion] of Object.entries(cases)) {
    const { status, body } = await post({ client_assertion: await assertion })
    t.equal(status, 401, name)
    t.match(body, { errors: [{ title: 'Unauthorized', code: 'OAUTH-5', status: '401' }] }, name)
  }
  for (const sub of [undefined, 'client-2']) {
    const client_assertion = await signed({ ...claims, sub })
    t.equal((await post({ client_assertion, client_id: 'client-1' })).status, 401, `for ${sub}, by client_id`)
  }
  const client_assertion = await signed(claims)
  t.equal((await post({ client_assertion, client_id: 'client-2' })).status, 401, 'another client_id')
  t.equal((await post({ client_assertion })).status, 200, 'nothing of this has used it up')
})

t.test('an invalid request gets 400', async (t) => {
  const { post, claims, call, client } = await setUp(t)
  const client_assertion = await signed(claims)
  for (const [name, form] of [
    ['a secret, too', { client_assertion, client_id: client.id, client_secret: client.secret }],
    ['another type', { client_assertion, client_assertion_type: 'urn:x' }],
    ['no assertion', {}],
    ['an empty one', { client_assertion: '' }],
  ] as const)
    t.equal((await post(form)).status, 400, name)
  const body = { grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE, client_assertion }
  t.equal((await call('POST', '/oauth/token', { body })).status, 400, 'as JSON')
  t.equal((await post({ client_assertion })).status, 200)
})

t.test('it counts for the bot user, valid or not, and a disabled client gets 403', async (t) => {
  const { post, claims, tenant, client } = await setUp(t)
  await post({ client_assertion: await signed(claims) })
  await post({ client_assertion: unsigned({ alg: 'none' }, claims) })
  t.same(
    tenant.calls.map(({ userId, tier, status }) => [userId, tier, status]),
    [
      [client.userId, 2, 200],
      [client.userId, 2, 401],
    ],
  )
  client.disabled = true
  t.equal((await post({ client_assertion: await signed({ ...claims, jti: randomUUID() }) })).status, 403)
})

t.test('a client has up to five secrets, which can change at any time', async (t) => {
  const secrets = ['s1', 's2', 's3', 's4', 's5']
  const { call, client, tenant } = await openSandbox(t, {}, { secrets })
  const grant = async (client_secret: string) => {
    const body = { grant_type: 'client_credentials', client_id: client.id, client_secret }
    return (await call('POST', '/oauth/token', { body })).status
  }
  for (const secret of secrets) t.equal(await grant(secret), 200, secret)
  t.throws(() => tenant.addClient({ secrets: [...secrets, 's6'] }), /up to 5/)
  client.secrets = ['s2', 'new']
  t.same([await grant('s1'), await grant('s2'), await grant('new')], [401, 200, 200])
})

t.test('a key that Qlik does not accept cannot be registered', async (t) => {
  const { tenant, call } = await openSandbox(t, { control: true })
  const weak = publicJwk(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey)
  for (const [name, key] of Object.entries({
    'weak RSA': weak,
    'P-256': publicJwk(ecPair('P-256').publicKey),
    'a private key': { ...ec.publicKey, d: 'AAAA' },
    symmetric: { kty: 'oct', k: 'AAAA' },
    'another algorithm': { ...anyAlgorithm, alg: 'PS256' },
    nothing: { kty: 'RSA' },
  })) {
    t.throws(() => tenant.addClient({ publicKeys: [key] }), name)
    const { status } = await call('POST', '/sandbox/clients', { body: { publicKeys: [key] } })
    t.equal(status, 400, name)
  }
  const body = { secrets: ['s1', 's2'], publicKeys: [rsa.publicKey] }
  const made = await call('POST', '/sandbox/clients', { body })
  t.match(made, { status: 201, body: { secret: 's1', ...body } })
  const changed = await call('PATCH', `/sandbox/clients/${made.body.id}`, {
    body: { secrets: ['s2'], publicKeys: [] },
  })
  t.match(changed, { status: 200, body: { secrets: ['s2'], publicKeys: [] } })
})
