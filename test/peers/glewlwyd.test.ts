import t from 'tap'
import { until } from '../support/events.ts'
import { usersOf } from '../support/logout-service.ts'
import { startWithSources } from '../support/source-service.ts'
import { glewlwydIsMissing as skip, startGlewlwyd } from './glewlwyd.ts'

const CLIENT = 'qlik-portal'
const NAME = 'glewlwyd'

for (const type of ['rsa', 'ecdsa'] as const) {
  t.test(`Glewlwyd logs a user out (${type})`, { skip }, async (t) => {
    const glewlwyd = await startGlewlwyd(t, type)
    const entry = { name: NAME, kind: 'oidc-back-channel-logout', issuer: glewlwyd.issuer, audience: CLIENT }
    const service = await startWithSources(t, [entry])
    await glewlwyd.addClient(CLIENT, `${service.url}/sources/${NAME}/backchannel-logout`)
    const ann = await glewlwyd.logIn('ann', CLIENT)
    service.userWithTokens(3, { subject: ann.sub })

    await ann.logOut()
    const warning = () => service.logLines.find((line) => line.includes('a request was rejected'))
    await until('the token without exp is rejected', () => warning() !== undefined)
    t.match(warning(), 'maxTokenAgeSeconds', 'the warning names the option')
    t.same(await service.stored(), [])

    t.equal((await service.configure([{ ...entry, maxTokenAgeSeconds: 120 }])).status, 200)
    await (await glewlwyd.logIn('ann', CLIENT)).logOut()
    await until('the logout has arrived', async () => (await service.stored()).length > 0)
    const [stored] = await service.stored()
    t.match(await service.ended(stored.id), { source: NAME, status: 'completed', tokens: { revoked: 3 } })
    t.same(await usersOf(service), [{ subject: ann.sub }])
    t.same(await service.counts(), { [`${NAME} accepted`]: 1, [`${NAME} rejected`]: 1 })
  })
}

t.test('Glewlwyd sends the sid of the ID token, if its client requires it', { skip }, async (t) => {
  const glewlwyd = await startGlewlwyd(t, 'rsa')
  const entry = {
    ...{ name: NAME, kind: 'oidc-back-channel-logout', issuer: glewlwyd.issuer, audience: CLIENT },
    ...{ user: { as: 'email' }, maxTokenAgeSeconds: 120 },
  }
  const service = await startWithSources(t, [entry])
  await glewlwyd.addClient(CLIENT, `${service.url}/sources/${NAME}/backchannel-logout`)
  const { sid, logOut } = await glewlwyd.logIn('ann', CLIENT)
  await service.call('PUT', '/sessions', { body: { sid, email: 'ann@example.com', ttlSeconds: 60 } })
  await logOut()
  await until('the logout has arrived', async () => (await service.stored()).length > 0)
  t.same(await usersOf(service), [{ email: 'ann@example.com' }])
})
