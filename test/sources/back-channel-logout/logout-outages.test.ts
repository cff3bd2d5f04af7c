import Fastify from 'fastify'
import t from 'tap'
import { CurfewError } from '../../../src/base/errors.ts'
import limits from '../../../src/http/limits.ts'
import { LogoutEntry } from '../../../src/sources/back-channel-logout/logout-token.ts'
import { backChannelLogout } from '../../../src/sources/back-channel-logout/part.ts'
import type { SourceContext } from '../../../src/sources/common/part.ts'
import { Sources } from '../../../src/sources/sources.ts'
import { fakeClock } from '../../support/clock.ts'
import { DISCOVERY, JWKS, startIssuer } from '../../support/issuer.ts'
import { CLIENT, EVENT, isRefusal, startLogoutService } from '../../support/logout-service.ts'
import { nothingStored } from '../../support/problems.ts'

t.test('without keys, the response is 503', async (t) => {
  const other = await startIssuer(t)
  const service = await startLogoutService(t)
  const { issuer } = service
  const isLater = async (name: string) => {
    const reply = await service.logout(await service.token())
    isRefusal(t, reply, 503, 'temporarily_unavailable', /keys/, name)
    t.equal(reply.headers.get('retry-after'), '5', name)
  }
  issuer.answer(DISCOVERY, (_, response) =>
    response.writeHead(302, { location: `${other.url}${DISCOVERY}` }).end(),
  )
  await isLater('a redirect')
  const { json } = await service.configure([service.entry({ jwksUri: `${other.url}/none` })])
  t.match(json, { tenants: 1 })
  await isLater('keys that are not there')
  await service.configure([service.entry({ audience: ['qlik-portal'] })])
  issuer.answerJson(DISCOVERY, { issuer: issuer.url, jwks_uri: other.jwksUri })
  await isLater('keys at another host')
  t.same([other.asked(JWKS), issuer.asked(JWKS)], [0, 0])
  await nothingStored(t, service)
  t.match(service.logLines.join(''), /"source":"op".*the status 302.*a request of a source failed/)
})

t.test('without the store, the response is 503', async (t) => {
  const issuer = await startIssuer(t, { typ: 'logout+jwt' })
  const clock = fakeClock()
  const entry = LogoutEntry.parse({
    name: 'op',
    kind: 'oidc-back-channel-logout',
    issuer: issuer.url,
    audience: CLIENT,
  })
  const now = Math.floor(clock.now() / 1000)
  const claims = {
    iss: issuer.url,
    aud: CLIENT,
    iat: now,
    exp: now + 120,
    jti: 'j',
    sub: 'u1',
    events: { [EVENT]: {} },
  }
  const body = new URLSearchParams({ logout_token: await issuer.sign(claims) }).toString()
  for (const [error, status, name] of [
    [
      new CurfewError('CURFEW_STORE_UNAVAILABLE', 'The database does not work.'),
      503,
      'temporarily_unavailable',
    ],
    [new Error('unexpected: marker'), 500, 'server_error'],
  ] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    app.setSerializerCompiler(() => JSON.stringify)
    // This test uses no other member.
    const options = {
      tenants: { has: () => true, names: () => ['default'] },
      clock,
      findSession: async () => null,
      log: { info() {}, warn() {}, error() {} },
      count() {},
      accept: async () => {
        throw error
      },
    } as unknown as SourceContext
    await app.register(limits, { perMinute: 0, clock, refused() {} })
    const sources = new Sources([backChannelLogout], [entry], options)
    t.teardown(() => sources.stop())
    await app.register(sources.routes)
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const reply = await fetch(`${url}/sources/op/backchannel-logout`, { method: 'POST', headers, body })
    const text = await reply.text()
    t.equal(reply.status, status)
    t.match(JSON.parse(text), { error: name, error_description: /./ })
    t.notMatch(text, /marker/)
    t.equal(reply.headers.get('retry-after'), status === 503 ? '5' : null)
    t.equal(reply.headers.get('cache-control'), 'no-store')
  }
})
