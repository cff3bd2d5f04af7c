import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { forgeries } from '../support/forgeries.ts'
import { type Issuer, JWKS, startIssuer } from '../support/issuer.ts'
import { nothingStored } from '../support/problems.ts'
import { startWithSources } from '../support/source-service.ts'

const PATH = '/sources/okta/global-token-revocation'
const TYP = 'global-token-revocation+jwt'
const AUDIENCE = `https://curfew.example.com${PATH}`

async function start(t: Parameters<typeof startWithSources>[0], source: object = {}) {
  const clock = fakeClock()
  const issuer = await startIssuer(t, { typ: TYP })
  const entry = {
    kind: 'global-token-revocation',
    name: 'okta',
    issuer: issuer.url,
    audience: AUDIENCE,
    ...source,
  }
  const service = await startWithSources(t, [entry], { clock })
  service.sandbox.tenant.addUser({ email: 'ada@example.com' })
  const iat = Math.floor(clock.now() / 1000)
  const claims = { iss: issuer.url, sub: 'client', aud: AUDIENCE, jti: 'j1', iat, exp: iat + 300 }
  const post = (token: string) =>
    service.call('POST', PATH, {
      body: { sub_id: { format: 'email', email: 'ada@example.com' } },
      headers: { authorization: `Bearer ${token}` },
    })
  return { clock, issuer, service, claims, post }
}

t.test('no forged token is believed: 401, and nothing is stored', async (t) => {
  const { issuer, service, claims, post } = await start(t, { senderSubject: 'client' })
  const all = await forgeries(issuer, claims, {
    types: ['JWT', 'at+jwt', 'logout+jwt', 'secevent+jwt', `${TYP}x`],
    required: ['iss', 'sub', 'aud', 'jti', 'iat', 'exp'],
  })
  const more: [string, object, RegExp][] = [
    ['of another sender', { sub: 'other' }, /sub/],
    ['good for more than a day', { exp: claims.iat + 90_000 }, /exp/],
    ['a jti without end', { jti: 'x'.repeat(300) }, /jti/],
    ['an event, as a security event token has', { events: {} }, /events/],
  ]
  for (const [name, different, says] of more)
    all.push({ name, token: await issuer.sign({ ...claims, ...different }), fault: 'claims', says })
  for (const { name, token, says } of all) {
    const reply = await post(token)
    if (token.length > 16 * 1024) {
      t.equal(reply.status, 431, 'Node takes no header that long')
      continue
    }
    t.equal(reply.status, 401, name)
    t.match(reply.headers.get('www-authenticate'), /^Bearer error="invalid_token"/, name)
    t.same(Object.keys(reply.json), ['error', 'error_description'], name)
    t.match(reply.json.error_description, says, name)
  }
  await nothingStored(t, service)
  t.equal((await post(await issuer.sign(claims))).status, 204, 'and yet the good one is')
})

t.test('a token is good once for as long as it is taken, also with parts of a second', async (t) => {
  const { clock, issuer, service, claims, post } = await start(t)
  service.sandbox.tenant.addUser({ email: 'grace@example.com' })
  const token = await issuer.sign({ ...claims, exp: claims.iat + 1_800.0005 })
  t.equal((await post(token)).status, 204)
  clock.advance(1_830_000)
  const other = await service.call('POST', PATH, {
    body: { sub_id: { format: 'email', email: 'grace@example.com' } },
    headers: { authorization: `Bearer ${token}` },
  })
  t.equal(other.status, 401, 'used for another subject, within the tolerance of its exp')
  t.equal((await service.stored()).length, 1)
})

t.test('a subject may be nested as deeply as a body can be', async (t) => {
  const { issuer, service, claims } = await start(t)
  const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`
  const reply = await service.call('POST', PATH, {
    body: `{"sub_id":{"format":"email","email":"ada@example.com","more":${deep}}}`,
    headers: {
      authorization: `Bearer ${await issuer.sign(claims)}`,
      'content-type': 'application/json',
    },
  })
  t.equal(reply.status, 204)
})

t.test('a flood of unknown keys asks the issuer once per cooldown', async (t) => {
  const { clock, issuer, claims, post } = await start(t)
  t.equal((await post(await issuer.sign(claims))).status, 204)
  t.equal(issuer.asked(JWKS), 1)
  const flood = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      issuer.sign({ ...claims, jti: `f${index}` }, { kid: `flood-${index}` }),
    ),
  )
  clock.advance(31_000)
  for (const { status } of await Promise.all(flood.map(post))) t.equal(status, 401)
  t.equal(issuer.asked(JWKS), 2)
  clock.advance(31_000)
  for (const { status } of await Promise.all(flood.map(post))) t.equal(status, 401)
  t.equal(issuer.asked(JWKS), 3)
})

t.test('keys are not fetched from where nobody configured them', async (t) => {
  const elsewhere = await startIssuer(t, { typ: TYP })
  const discovery = '/.well-known/openid-configuration'
  const table: [name: string, break_: (issuer: Issuer) => void][] = [
    [
      'discovery names a key set at another host',
      (issuer) => issuer.answerJson(discovery, { issuer: issuer.url, jwks_uri: elsewhere.jwksUri }),
    ],
    [
      'discovery is redirected',
      (issuer) =>
        issuer.answer(
          discovery,
          (_, response) => void response.writeHead(302, { location: `${elsewhere.url}${discovery}` }).end(),
        ),
    ],
    [
      'the key set is redirected',
      (issuer) =>
        issuer.answer(
          '/jwks',
          (_, response) => void response.writeHead(307, { location: elsewhere.jwksUri }).end(),
        ),
    ],
    [
      'discovery is of another issuer',
      (issuer) => issuer.answerJson(discovery, { issuer: elsewhere.url, jwks_uri: issuer.jwksUri }),
    ],
    [
      'the key set is no JSON',
      (issuer) => issuer.answer('/jwks', (_, response) => void response.end('<html>')),
    ],
    [
      'the key set has no end',
      (issuer) => issuer.answerJson('/jwks', { keys: [], filler: 'x'.repeat(600_000) }),
    ],
    [
      'the key set is symmetric',
      (issuer) =>
        issuer.answerJson('/jwks', { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'k1', alg: 'HS256' }] }),
    ],
  ]
  for (const [name, break_] of table) {
    await t.test(name, async (t) => {
      const { issuer, service, claims, post } = await start(t)
      break_(issuer)
      const reply = await post(await issuer.sign(claims, {}, elsewhere.key.privateKey))
      t.ok(reply.status === 503 || reply.status === 401, String(reply.status))
      if (reply.status === 503) t.match(reply.headers.get('retry-after'), /^\d+$/)
      t.equal((await post(await issuer.sign(claims))).status, reply.status)
      await nothingStored(t, service)
    })
  }
  t.same(elsewhere.paths, [], 'nothing there was asked for')
})
