import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { JWKS } from '../../support/issuer.ts'
import { nothingStored } from '../../support/problems.ts'
import { SET_ERROR, setClaims, setForgeries } from '../../support/shared-signals.ts'
import { acknowledged, keepStreamAt, refused, startTransmitter } from '../../support/transmitter.ts'

t.test('polled, no forged token is believed: its code goes back, and nothing is stored', async (t) => {
  const fake = await startTransmitter(t)
  const { service } = await keepStreamAt(t, fake)
  const good = setClaims(fake.issuer.url, Date.now())
  const all = await setForgeries(fake.issuer, good)
  for (const [index, { name, token, fault, says }] of all.entries()) {
    fake.queue(`forged-${index}`, token)
    const { body } = await fake.until(refused(`forged-${index}`))
    t.match(body.setErrs[`forged-${index}`], { err: SET_ERROR[fault], description: says }, name)
    t.same(body.ack, [], name)
  }
  await nothingStored(t, service)
  fake.queue(good.jti, await fake.issuer.sign(good))
  await fake.until(acknowledged(good.jti))
  t.equal((await service.stored()).length, 1, 'and yet the good one is')
})

t.test('polled, a flood of unknown keys asks the transmitter for its keys once per cooldown', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  t.equal(fake.issuer.asked(JWKS), 1)
  for (const round of [2, 3]) {
    clock.advance(31_000)
    const jtis = Array.from({ length: 40 }, (_, index) => `flood-${round}-${index}`)
    for (const jti of jtis) {
      const claims = { ...setClaims(fake.issuer.url, clock.now()), jti }
      fake.queue(jti, await fake.issuer.sign(claims, { kid: jti }))
    }
    for (const jti of jtis) await fake.until(refused(jti))
    t.equal(fake.issuer.asked(JWKS), round)
  }
  t.equal((await service.stored()).length, 1)
})
