import { createPublicKey } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { KEY_ALGORITHMS } from '../../src/base/client-key.ts'
import { clientAssertion } from '../../src/qlik/client-assertion.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { clientKeyPair } from '../support/client-keys.ts'
import { rejection } from '../support/events.ts'
import { clientOf, SIGNAL, withAnswer } from './open-client.ts'

const NOW = Date.parse('2026-11-21T12:00:00.999Z')
const AUDIENCE = 'https://acme.eu.qlikcloud.com/oauth/token'
const MINUTE = 60_000
const ec = clientKeyPair('ES384', 'k1')

t.test('an assertion has the claims that RFC 7523 and Qlik require, for each algorithm', async (t) => {
  for (const algorithm of KEY_ALGORITHMS) {
    const { credential, publicKey } = clientKeyPair(algorithm, 'k1')
    const form = await clientAssertion(credential, { clientId: 'client', audience: AUDIENCE, now: NOW })
    t.equal(form.client_assertion_type, 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const key = createPublicKey({ key: publicKey, format: 'jwk' })
    const at = { currentDate: new Date(NOW) }
    const { payload, protectedHeader } = await jwtVerify(form.client_assertion, key, at)
    t.same(protectedHeader, { alg: algorithm, typ: 'JWT', kid: 'k1' })
    t.match(payload.jti, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const { jti: _, ...claims } = payload
    const second = Math.floor(NOW / 1_000)
    const times = { iat: second - 60, exp: second + 120 }
    t.same(claims, { iss: 'client', sub: 'client', aud: AUDIENCE, ...times })
  }
})

t.test('a key without an id adds no kid, and no two assertions are equal', async (t) => {
  const { credential } = clientKeyPair()
  const make = () => clientAssertion(credential, { clientId: 'client', audience: AUDIENCE, now: NOW })
  const [one, other] = [await make(), await make()]
  t.same(decodeProtectedHeader(one.client_assertion), { alg: 'ES384', typ: 'JWT' })
  const idOf = (assertion: string) => JSON.parse(atob(String(assertion.split('.')[1]))).jti
  t.not(idOf(one.client_assertion), idOf(other.client_assertion))
})

t.test('an assertion is accepted if the clocks differ by a minute, before the offset is known', async (t) => {
  for (const clockSkewMs of [-MINUTE, 0, MINUTE]) {
    const sandbox = await startSandbox({ clockSkewMs })
    t.teardown(() => sandbox.close())
    const { id } = sandbox.tenant.addClient({ publicKeys: [ec.publicKey] })
    const { requestAccessToken } = clientOf(t, sandbox.url, { clientId: id, credential: ec.credential })
    t.match(await requestAccessToken(), { value: /./ }, `${clockSkewMs}`)
  }
})

t.test('with a clock that is far off it is refused once, which does not count against the key', async (t) => {
  for (const clockSkewMs of [-10 * MINUTE, 10 * MINUTE]) {
    const sandbox = await startSandbox({ clockSkewMs })
    t.teardown(() => sandbox.close())
    const { id } = sandbox.tenant.addClient({ publicKeys: [ec.publicKey] })
    const { requestAccessToken } = clientOf(t, sandbox.url, { clientId: id, credential: ec.credential })
    t.match(await rejection(requestAccessToken()), { kind: 'unauthorized' }, `${clockSkewMs}`)
    t.match(await requestAccessToken(), { value: /./ }, "the response revealed the tenant's time")
    const unknown = clientKeyPair('ES384').credential
    const other = clientOf(t, sandbox.url, { clientId: id, credential: unknown })
    await rejection(other.requestAccessToken())
    t.match(await rejection(other.requestAccessToken()), { kind: 'credential-refused' })
  }
})

t.test('a refused key or secret is distinguished from a refused request and a refused client', async (t) => {
  const oauth = (error: unknown) => ({ error, error_description: 'marker' })
  const qlik = (code: string) => ({ errors: [{ code, title: 'marker' }] })
  const cases: [status: number, body: object, kind: string, message: RegExp][] = [
    [401, qlik('OAUTH-5'), 'credential-refused', / 401 \(OAUTH-5\)\.$/],
    [401, {}, 'credential-refused', / 401\.$/],
    [400, oauth('invalid_client'), 'credential-refused', / 400 \(invalid_client\)\.$/],
    [400, oauth('invalid_scope'), 'client-rejected', / 400 \(invalid_scope\)\.$/],
    [400, oauth({ marker: 1 }), 'client-rejected', / 400\.$/],
    [400, qlik('HTTP-400'), 'client-rejected', / 400 \(HTTP-400\)\.$/],
    [403, qlik('HTTP-403'), 'client-rejected', / 403 \(HTTP-403\)\.$/],
    [500, oauth('invalid_client\n'), 'unavailable', / 500\.$/],
  ]
  for (const [status, body, kind, message] of cases) {
    const client = await withAnswer(t, (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    for (const credential of [ec.credential, { kind: 'secret', secret: 's' } as const]) {
      const failure = await rejection(client.requestAccessToken(credential, SIGNAL))
      t.match(failure, { kind, message }, `${status} ${JSON.stringify(body)}`)
    }
  }
})

t.test('client and proof are sent as a form, as in RFC 6749', async (t) => {
  const seen: { type: string | undefined; form: Record<string, string> }[] = []
  const client = await withAnswer(t, async (request, response) => {
    const chunks = await request.toArray()
    const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()))
    seen.push({ type: request.headers['content-type'], form })
    response.writeHead(200).end('{"access_token":"a"}')
  })
  await client.requestAccessToken({ kind: 'secret', secret: 'a&b =+%ü' }, SIGNAL)
  await client.requestAccessToken(ec.credential, SIGNAL)
  const common = { grant_type: 'client_credentials', client_id: 'c', scope: 'admin_classic' }
  const type = 'application/x-www-form-urlencoded'
  t.same(seen[0], { type, form: { ...common, client_secret: 'a&b =+%ü' } })
  const { client_assertion: _, client_assertion_type: __, ...others } = seen[1]?.form ?? {}
  t.same([seen[1]?.type, others], [type, common], 'only the assertion in addition')
})
