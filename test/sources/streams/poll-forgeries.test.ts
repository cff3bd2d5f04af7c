import t from 'tap'
import { type FakeClock, fakeClock } from '../../support/clock.ts'
import { type ForgedFault, forgeries } from '../../support/forgeries.ts'
import { nothingStored } from '../../support/problems.ts'
import type { Service } from '../../support/service.ts'
import { setClaims } from '../../support/shared-signals.ts'
import { type FakeTransmitter, keepStreamAt, startTransmitter } from '../../support/transmitter.ts'

const ERR: Record<ForgedFault, string> = {
  malformed: 'invalid_request',
  key: 'invalid_key',
  signature: 'invalid_key',
  issuer: 'invalid_issuer',
  audience: 'invalid_audience',
  time: 'invalid_request',
  claims: 'invalid_request',
}
type Polled = { path: string; body: { ack: string[]; setErrs: object } | null }
const acknowledged = (jti: string) => (asked: Polled) =>
  asked.path === '/poll' && (asked.body?.ack.includes(jti) ?? false)
const refused = (jti: string) => (asked: Polled) =>
  asked.path === '/poll' && jti in (asked.body?.setErrs ?? {})

/** One by a key that is not known is refused only after a while: meanwhile the clock is moved on. */
async function untilRefused(fake: FakeTransmitter, jti: string, clock: FakeClock, { call }: Service) {
  while (!fake.asked.some(refused(jti))) {
    clock.advance(1_000)
    await call('GET', '/health/live')
  }
  return fake.until(refused(jti))
}

t.test('polled, no forged token is believed: its code goes back, and nothing is stored', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service } = await keepStreamAt(t, fake, { clock })
  const good = setClaims(fake.issuer.url, Date.now()) as { jti: string; iat: number }
  const all = await forgeries(fake.issuer, good, {
    types: ['JWT', 'at+jwt', 'logout+jwt', 'global-token-revocation+jwt', 'secevent', 'secevent+jwt2'],
    required: ['iss', 'aud', 'jti', 'iat', 'events'],
  })
  for (const [index, { token }] of all.entries()) fake.queue(`forged-${index}`, token)
  for (const [index, { name, fault }] of all.entries()) {
    const { body } = await untilRefused(fake, `forged-${index}`, clock, service)
    t.match(body.setErrs[`forged-${index}`], { err: ERR[fault], description: /./ }, name)
    t.same(body.ack, [], name)
  }
  await nothingStored(t, service)
  fake.queue(good.jti, await fake.issuer.sign(good as never))
  await fake.until(acknowledged(good.jti))
  t.equal((await service.call('GET', '/revocations')).json.items.length, 1, 'and yet the good one is')
})

t.test('polled, a flood of unknown keys asks the transmitter for its keys once per cooldown', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  const keySets = () => fake.issuer.asked.filter((path) => path === '/jwks').length
  await fake.until(acknowledged(await set()))
  t.equal(keySets(), 1)
  for (const round of [2, 4]) {
    clock.advance(31_000)
    const jtis = Array.from({ length: 40 }, (_, index) => `flood-${round}-${index}`)
    for (const jti of jtis) {
      const claims = { ...setClaims(fake.issuer.url, clock.now()), jti }
      fake.queue(jti, await fake.issuer.sign(claims as never, { kid: jti }))
    }
    while (keySets() < round) await service.call('GET', '/health/live')
    for (const jti of jtis) await untilRefused(fake, jti, clock, service)
    t.equal(keySets(), round + 1, 'at first, and once more before they are refused')
  }
  t.equal((await service.call('GET', '/revocations')).json.items.length, 1)
})
