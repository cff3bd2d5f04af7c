import t from 'tap'
import { until } from '../support/events.ts'
import { usersOf } from '../support/logout-service.ts'
import { startWithSources } from '../support/source-service.ts'
import { lemonLdapIsMissing as skip, startLemonLdap } from './lemonldap.ts'

const CLIENT = 'qlik-portal'
const NAME = 'lemonldap'
const REJECTED = 'a request was rejected'

for (const keyType of ['RSA', 'EC'] as const) {
  t.test(`LemonLDAP::NG logs a user out (${keyType})`, { skip }, async (t) => {
    const service = await startWithSources(t, [])
    const logoutUri = `${service.url}/sources/${NAME}/backchannel-logout`
    const lemonldap = await startLemonLdap(t, { client: CLIENT, keyType, logoutUri })
    const entry = { name: NAME, kind: 'oidc-back-channel-logout', issuer: lemonldap.issuer, audience: CLIENT }
    t.equal((await service.configure([entry])).status, 200)
    // Its only process waits for the answer to a logout, so Curfew must already have the keys.
    await until('the keys are fetched', () => lemonldap.output().includes('GET /oauth2/jwks'))
    service.userWithTokens(3, { subject: 'dwho' })

    await (await lemonldap.logIn('dwho')).logOut()
    const warning = service.logLines.find((line) => line.includes(REJECTED))
    t.match(warning, 'maxTokenAgeSeconds', 'the warning about a token without exp names the option')
    t.same(await service.stored(), [])

    await service.configure([{ ...entry, maxTokenAgeSeconds: 120 }])
    await (await lemonldap.logIn('dwho')).logOut()
    const [stored] = await service.stored()
    t.match(await service.ended(stored.id), { source: NAME, status: 'completed', tokens: { revoked: 3 } })
    t.same(await usersOf(service), [{ subject: 'dwho' }])

    await service.configure([{ ...entry, user: { as: 'email' }, maxTokenAgeSeconds: 120 }])
    const { sid, logOut } = await lemonldap.logIn('dwho')
    await service.call('PUT', '/sessions', { body: { sid, email: 'dwho@example.com', ttlSeconds: 60 } })
    await logOut()
    t.same((await usersOf(service))[0], { email: 'dwho@example.com' }, 'found by the sid of the ID token')
    t.same(await service.counts(), { [`${NAME} accepted`]: 2, [`${NAME} rejected`]: 1 })
  })
}
