import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import t, { type Test } from 'tap'
import { agingClock } from '../../support/clock.ts'
import { CLIENT, usersOf } from '../../support/logout-service.ts'
import type { Service } from '../../support/service.ts'
import { startWithSources } from '../../support/source-service.ts'

async function privateKey(kid: string, alg: string) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' }
}

/** A real OpenID provider on loopback with replaceable keys. */
async function startProvider(t: Test, logoutUri: () => string, alg: 'RS256' | 'ES256') {
  let listener: ReturnType<Provider['callback']> | undefined
  const server = createServer((request, response) => listener?.(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const issuer = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  let provider: Provider | undefined
  return {
    issuer,
    /** Starts or restarts with this key only. */
    async use(kid: string) {
      provider = new Provider(issuer, {
        jwks: { keys: [await privateKey(kid, alg)] },
        features: { backchannelLogout: { enabled: true } },
        enabledJWA: { idTokenSigningAlgValues: [alg] },
        clients: [
          {
            client_id: CLIENT,
            client_secret: 'a-secret-of-the-client',
            redirect_uris: ['https://portal.example/callback'],
            id_token_signed_response_alg: alg,
            backchannel_logout_uri: logoutUri(),
            backchannel_logout_session_required: true,
          },
        ],
        // Disables its guard against requests to loopback.
        fetch: (url: URL, { dispatcher: _, ...options }: { dispatcher?: unknown }) =>
          globalThis.fetch(url, options),
      })
      listener = provider.callback()
    },
    /** Sends a logout. Rejects if the receiver does not accept it. */
    async logout(sub: string | undefined, sid: string) {
      const client = await provider?.Client.find(CLIENT)
      await client?.backchannelLogout(sub, sid)
    },
  }
}

for (const alg of ['RS256', 'ES256'] as const) {
  t.test(`oidc-provider logs users out, also after its keys were rotated (${alg})`, async (t) => {
    let service: Service | undefined
    const provider = await startProvider(t, () => `${service?.url}/sources/op/backchannel-logout`, alg)
    const entry = {
      ...{ name: 'op', kind: 'oidc-back-channel-logout', issuer: provider.issuer, audience: CLIENT },
      user: { as: 'subject', from: '{iss}|{sub}' },
    }
    const clock = agingClock()
    service = await startWithSources(t, [entry], { clock })
    service.userWithTokens(3, { id: 'q1', subject: `${provider.issuer}|ann` })
    await provider.use('first')
    await provider.logout('ann', 's1')
    const [first] = await service.stored()
    t.match(await service.ended(first.id), {
      source: 'op',
      status: 'completed',
      tokens: { revoked: 3 },
    })

    await provider.use('second')
    // Longer than the cooldown after a fetch of keys.
    clock.age(30_000)
    await provider.logout('bob', 's2')
    t.same(await usersOf(service), [
      { subject: `${provider.issuer}|bob` },
      { subject: `${provider.issuer}|ann` },
    ])

    await t.rejects(provider.logout(undefined, 's3'), 'a session alone names no user')
    await service.call('PUT', '/sessions/s3', { body: { subject: 'eve', ttlSeconds: 60 } })
    await provider.logout(undefined, 's3')
    t.same((await usersOf(service))[0], { subject: 'eve' })
    t.same(await service.counts(), { 'op accepted': 3, 'op rejected': 1 })
  })
}
