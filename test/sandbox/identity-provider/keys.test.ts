import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { tryService } from './open-identity-provider.ts'

const kind = 'oidc-back-channel-logout'

t.test('after a rotation, tokens are signed by a new key that Curfew fetches', async (t) => {
  const clock = fakeClock()
  const { provider, send } = await tryService(t, (name) => name === kind, { options: { clock } })
  t.match(await send({ kind }), { outcome: 'accepted' })
  const old = provider.issuer.key
  const { kid, published } = await provider.rotateKeys()
  t.same(published, [old.kid, kid])
  t.not(kid, old.kid)
  // Longer than Curfew's cooldown for unknown keys.
  clock.advance(31_000)
  t.match(await send({ kind }), { outcome: 'accepted' })
  t.equal(provider.issuer.asked('/jwks'), 2)
})

t.test('a withdrawn key is rejected once Curfew has fetched the keys again', async (t) => {
  const clock = fakeClock()
  const { provider, send } = await tryService(t, (name) => name === kind, { options: { clock } })
  t.match(await send({ kind }), { outcome: 'accepted' })
  const old = provider.issuer.key
  const { kid, published } = await provider.rotateKeys({ withdraw: true })
  t.same(published, [kid])
  provider.issuer.key = old
  clock.advance(11 * 60_000)
  t.match(await send({ kind }), { outcome: 'rejected', why: /kid/ })
})
