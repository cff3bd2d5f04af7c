import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { type ForgedFault, forgeries } from '../support/forgeries.ts'
import { type Issuer, JWKS, startIssuer } from '../support/issuer.ts'
import { nothingStored } from '../support/problems.ts'
import { sendBytes } from '../support/raw-http.ts'
import { startPush } from '../support/shared-signals.ts'

const ERR: Record<ForgedFault, string> = {
  malformed: 'invalid_request',
  key: 'invalid_key',
  signature: 'invalid_key',
  issuer: 'invalid_issuer',
  audience: 'invalid_audience',
  time: 'invalid_request',
  claims: 'invalid_request',
}

t.test('no forged token is believed: 400 with its code, and nothing is stored', async (t) => {
  const { transmitter, service, claims, pushToken } = await startPush(t)
  const good = claims()
  const all = await forgeries(transmitter, good, {
    types: ['JWT', 'at+jwt', 'logout+jwt', 'global-token-revocation+jwt', 'secevent', 'secevent+jwt2'],
    required: ['iss', 'aud', 'jti', 'iat', 'events'],
  })
  const more: [string, object, RegExp][] = [
    ['sub, as an ID token has it', { sub: 'u1' }, /sub/],
    ['exp, as an access token has it', { exp: good.iat + 300 }, /exp/],
    ['a jti without end', { jti: 'x'.repeat(300) }, /jti/],
    ['an iat that is no number', { iat: 'now' }, /iat/],
    ['older than 30 days', { iat: good.iat - 31 * 86_400 }, /iat/],
  ]
  for (const [name, different, says] of more)
    all.push({ name, token: await transmitter.sign({ ...good, ...different }), fault: 'claims', says })
  for (const { name, token, fault, says } of all) {
    const { status, json } = await pushToken(token)
    t.equal(status, 400, name)
    t.equal(json.err, ERR[fault], name)
    t.match(json.description, says, name)
  }
  await nothingStored(t, service)
  t.equal((await pushToken(await transmitter.sign(good))).status, 202, 'and yet the good one is')
})

t.test('a header that is sent twice is not chosen from', async (t) => {
  const { transmitter, service, claims } = await startPush(t, { pushAuthorization: 'Bearer agreed' })
  const token = await transmitter.sign(claims())
  const type = 'content-type: application/secevent+jwt\r\n'
  const authorization = 'authorization: Bearer agreed\r\n'
  const post = (headers: string) =>
    sendBytes(
      service.url,
      `POST /sources/idp/events HTTP/1.1\r\nhost: curfew\r\nconnection: close\r\n${headers}content-length: ${token.length}\r\n\r\n${token}`,
    )
  t.match(
    await post(`${type}${authorization}authorization: Bearer other\r\n`),
    /^HTTP\/1\.1 400 [\s\S]*authentication_failed/,
  )
  t.match(
    await post(`${type}content-type: text/plain\r\n${authorization}`),
    /^HTTP\/1\.1 400 [\s\S]*invalid_request/,
  )
  await nothingStored(t, service)
  t.match(await post(`${type}${authorization}`), /^HTTP\/1\.1 202 /)
})

t.test('a flood of unknown keys asks the transmitter once per cooldown', async (t) => {
  const clock = fakeClock()
  const { transmitter, claims, pushToken } = await startPush(t, {}, { clock })
  t.equal((await pushToken(await transmitter.sign(claims()))).status, 202)
  const flood = await Promise.all(
    Array.from({ length: 50 }, (_, index) => transmitter.sign(claims(), { kid: `flood-${index}` })),
  )
  for (const round of [2, 3]) {
    clock.advance(31_000)
    for (const { status } of await Promise.all(flood.map((token) => pushToken(token)))) t.equal(status, 400)
    t.equal(transmitter.asked(JWKS), round)
  }
})

t.test('keys are not fetched from where nobody configured them', async (t) => {
  const elsewhere = await startIssuer(t, { typ: 'secevent+jwt', wellKnown: 'ssf-configuration' })
  const discovery = '/.well-known/ssf-configuration'
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
  ]
  for (const [name, break_] of table) {
    await t.test(name, async (t) => {
      const { transmitter, service, claims, pushToken } = await startPush(t)
      break_(transmitter)
      const reply = await pushToken(await transmitter.sign(claims(), {}, elsewhere.key.privateKey))
      t.equal(reply.status, 503, 'which the transmitter tries again')
      t.match(reply.headers.get('retry-after'), /^\d+$/)
      await nothingStored(t, service)
    })
  }
  t.same(elsewhere.paths, [], 'nothing there was asked for')
})
