import t from 'tap'
import { issuerKey, sign, unsigned } from '../../support/issuer.ts'
import { CLIENT, isRefusal, startLogoutService, usersOf } from '../../support/logout-service.ts'
import { nothingStored } from '../../support/problems.ts'

const MODULE = 'oidcc-client-test-rp-backchannel-rpinitlogout'

/**
 * The service and the provider that the OpenID conformance suite plays: it has keys of several algorithms, and RS256 is
 * configured. Its requests are built as in the suite's `GenerateLogoutTokenClaims` and `CallRPBackChannelLogoutEndpoint`.
 */
async function start(t: Parameters<typeof startLogoutService>[0]) {
  const service = await startLogoutService(t, { entry: { algorithms: ['RS256'] } })
  const rsa = await issuerKey('rsa', 'RS256')
  service.issuer.keys.push(rsa.jwk)
  const claims = (different: object = {}) =>
    service.claims({
      sid: 'session-1',
      ignored_claim: 'Any Claims used that are not understood MUST be ignored.',
      ...different,
    })
  const send = (token: string) =>
    service.call('POST', '/sources/op/backchannel-logout', {
      body: new URLSearchParams({ logout_token: token, ignored_parameter: 'MUST be ignored' }).toString(),
      headers: { authorization: '', 'content-type': 'application/x-www-form-urlencoded' },
    })
  return { service, rsa, claims, send }
}

t.test('the logout request of the suite is accepted: 200, no-store', async (t) => {
  const { service, rsa, claims, send } = await start(t)
  const { status, headers } = await send(await sign(rsa, claims()))
  t.equal(status, 200)
  t.equal(headers.get('cache-control'), 'no-store')
  t.same(await usersOf(service), [{ subject: 'u1' }])
})

t.test('each invalid logout request of the suite is rejected: 400, no-store', async (t) => {
  const { service, rsa, claims, send } = await start(t)
  const { url } = service.issuer
  const modules: [name: string, token: string | Promise<string>, description: RegExp][] = [
    [`${MODULE}-alg-none`, unsigned({ alg: 'none' }, claims()), /alg/],
    [`${MODULE}-wrong-alg`, service.issuer.sign(claims()), /alg/],
    [`${MODULE}-wrong-iss`, sign(rsa, claims({ iss: `${url}INVALID` })), /iss/],
    [`${MODULE}-wrong-aud`, sign(rsa, claims({ aud: `${CLIENT}INVALID` })), /aud/],
    [`${MODULE}-with-nonce`, sign(rsa, claims({ nonce: 'logout_tokens_must_not_contain_a_nonce' })), /nonce/],
    [`${MODULE}-no-event`, sign(rsa, claims({ events: undefined })), /events/],
    [
      `${MODULE}-wrong-event`,
      sign(rsa, claims({ events: { 'http://schemas.openid.net/event/foobar': {} } })),
      /events/,
    ],
  ]
  for (const [name, token, description] of modules)
    isRefusal(t, await send(await token), 400, 'invalid_request', description, name)
  await nothingStored(t, service)
})
