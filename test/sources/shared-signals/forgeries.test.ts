import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { isDeferred } from '../../support/deferred-key.ts'
import { nothingStored } from '../../support/problems.ts'
import { sendBytes } from '../../support/raw-http.ts'
import { SET_ERROR, setForgeries, startPush } from '../../support/shared-signals.ts'

t.test('every forged token is rejected: 400 with its code, and nothing is stored', async (t) => {
  const { transmitter, service, claims, pushToken } = await startPush(t, {}, { clock: fakeClock() })
  const good = claims()
  const all = await setForgeries(transmitter, good)
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
    const reply = await pushToken(token)
    if (fault === 'key' && isDeferred(t, reply, name)) continue
    const { status, json } = reply
    t.equal(status, 400, name)
    t.equal(json.err, SET_ERROR[fault], name)
    t.match(json.description, says, name)
  }
  await nothingStored(t, service)
  t.equal((await pushToken(await transmitter.sign(good))).status, 202, 'the valid one is still accepted')
})

t.test('a repeated Authorization header is rejected', async (t) => {
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
    /^HTTP\/1\.1 401 [\s\S]*authentication_failed/,
  )
  t.match(
    await post(`${type}content-type: text/plain\r\n${authorization}`),
    /^HTTP\/1\.1 400 [\s\S]*invalid_request/,
  )
  await nothingStored(t, service)
  t.match(await post(`${type}${authorization}`), /^HTTP\/1\.1 202 /)
})
