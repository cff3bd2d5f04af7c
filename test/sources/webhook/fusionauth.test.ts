import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t from 'tap'
import type { Vendor } from '../../../src/sandbox/identity-provider/vendors.ts'
import { fakeClock } from '../../support/clock.ts'
import { IGNORED, judged } from '../../support/judged.ts'
import { isProblem, nothingStored } from '../../support/problems.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const event = (type: string, different: object) => ({
  event: { id: 'e1', createInstant: 1505762615056, tenantId: 't1', type, ...different },
})

t.test('events identify the user by id or by the user object', async (t) => {
  const user = { id: 'u1', email: 'ada@example.com' }
  t.match(judged('fusionauth', event('user.delete.complete', { user })), {
    signals: ['security subject u1'],
    times: ['2017-09-18T19:23:35.056Z'],
  })
  t.same(judged('fusionauth', event('jwt.refresh-token.revoke', { userId: 'u1' })).signals, [
    'logout subject u1',
  ])
  const email = { user: { as: 'email', from: '{/user/email}' } } as const
  t.same(judged('fusionauth', event('user.deactivate', { user }), email).signals, [
    'security email ada@example.com',
  ])
  t.same(judged('fusionauth', event('user.create', { user })), IGNORED)
})

t.test("the revocation of an application's refresh tokens names no user", async (t) => {
  const revoked = event('jwt.refresh-token.revoke', {
    applicationId: 'a1',
    applicationTimeToLiveInSeconds: { a1: 60 },
  })
  t.same(judged('fusionauth', revoked), IGNORED)
})

/** FusionAuth with a key pair and the published public key. */
async function withKeyPair(t: Tap, algorithm: 'RS256' | 'ES256' | 'EdDSA') {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: algorithm, use: 'sig' }
  const server = Fastify()
  server.get('/.well-known/jwks.json', async () => ({ keys: [jwk] }))
  await server.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  const sign: Vendor['sign'] = async (body) => ({
    'x-fusionauth-signature-jwt': await new SignJWT({
      request_body_sha256: createHash('sha256').update(body).digest('base64'),
    })
      .setProtectedHeader({ alg: algorithm, kid: 'k1' })
      .sign(privateKey),
  })
  const jwksUri = `${server.listeningOrigin}/.well-known/jwks.json`
  const vendor = { ...vendorOf('fusionauth'), sign }
  return { server, jwk, ...(await vendorService(t, vendor, { secret: undefined, jwksUri })), vendor }
}
type Tap = Parameters<typeof vendorService>[0]

t.test('signatures by RSA, EC and EdDSA with published keys are accepted', async (t) => {
  for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
    const { send, vendor } = await withKeyPair(t, algorithm)
    t.equal((await send(vendor.sample('e1'))).status, 200, algorithm)
  }
})

t.test('a public key is not accepted as a secret', async (t) => {
  const { send, service, vendor, jwk } = await withKeyPair(t, 'RS256')
  const body = JSON.stringify(vendor.sample('e1'))
  for (const secret of [JSON.stringify(jwk), String(jwk.n)]) {
    const headers = await vendorOf('fusionauth').sign(body, { secret, at: Date.now() })
    isProblem(t, await send(body, { headers }), 'CURFEW_SOURCE_UNPROVEN')
  }
  await nothingStored(t, service)
})

t.test('while its keys are unavailable, the response is 503', async (t) => {
  const { send, service, vendor, server } = await withKeyPair(t, 'RS256')
  await server.close()
  const reply = await send(vendor.sample('e1'))
  isProblem(t, reply, 'CURFEW_KEYS_UNAVAILABLE')
  t.equal(reply.headers.get('retry-after'), '5')
  await nothingStored(t, service)
})

t.test('a token that has expired, or is for another body, is rejected', async (t) => {
  const vendor = vendorOf('fusionauth')
  const clock = fakeClock()
  const { send } = await vendorService(t, vendor, {}, { clock })
  const body = JSON.stringify(vendor.sample('e1'))
  const token = async (claims: object) => ({
    'x-fusionauth-signature-jwt': await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(vendor.secret)),
  })
  const digest = createHash('sha256').update(body).digest('base64')
  const seconds = Math.floor(clock.now() / 1000)
  for (const claims of [
    {},
    { request_body_sha256: '' },
    { request_body_sha256: createHash('sha256').update('{}').digest('base64') },
    { request_body_sha256: digest, exp: seconds - 90 },
    { request_body_sha256: digest, nbf: seconds + 90 },
  ])
    isProblem(t, await send(body, { headers: await token(claims) }), 'CURFEW_SOURCE_UNPROVEN')
  t.equal(
    (await send(body, { headers: await token({ request_body_sha256: digest, exp: seconds + 90 }) })).status,
    200,
  )
})
