import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { JWKS } from '../../../support/issuer.ts'
import { nothingStored } from '../../../support/problems.ts'
import { SET_ERROR, setClaims, setForgeries } from '../../../support/shared-signals.ts'
import { pauseUntil } from '../../../support/stream-time.ts'
import { acknowledged, keepStreamAt, refused, startTransmitter } from '../../../support/transmitter.ts'

t.test('polled, every forged token is rejected with its code, and nothing is stored', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const good = setClaims(fake.issuer.url, clock.now())
  const all = await setForgeries(fake.issuer, good)
  for (const [index, { token }] of all.entries()) fake.queue(`forged-${index}`, token)
  const { service } = await keepStreamAt(t, fake, { clock })
  for (const [index, { name, fault, says }] of all.entries()) {
    const jti = `forged-${index}`
    // A token with an unknown key is rejected only after the cooldown.
    const { body } = await pauseUntil(clock, fake, refused(jti))
    t.match(body.setErrs[jti], { err: SET_ERROR[fault], description: says }, name)
    t.same(body.ack, [], name)
  }
  await nothingStored(t, service)
  fake.queue(good.jti, await fake.issuer.sign(good))
  await fake.until(acknowledged(good.jti))
  t.equal((await service.stored()).length, 1, 'the valid one is still accepted')
})

t.test('polled, a flood of unknown keys causes one fetch per cooldown', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  t.equal(fake.issuer.asked(JWKS), 1)
  for (const round of [2, 4]) {
    clock.advance(31_000)
    const jtis = Array.from({ length: 40 }, (_, index) => `flood-${round}-${index}`)
    for (const jti of jtis) {
      const claims = { ...setClaims(fake.issuer.url, clock.now()), jti }
      fake.queue(jti, await fake.issuer.sign(claims, { kid: jti }))
    }
    for (const jti of jtis) await pauseUntil(clock, fake, refused(jti))
    t.equal(fake.issuer.asked(JWKS), round + 1, 'initially, and once before they are rejected')
  }
  t.equal((await service.stored()).length, 1)
})
