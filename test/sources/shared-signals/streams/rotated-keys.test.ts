import { exportJWK, generateKeyPair, type JWK } from 'jose'
import t, { type Test } from 'tap'
import { CurfewError } from '../../../../src/base/errors.ts'
import { AwaitedKeys } from '../../../../src/sources/shared-signals/streams/take-polled.ts'
import { fakeClock } from '../../../support/clock.ts'
import { setClaims } from '../../../support/shared-signals.ts'
import { passPauses, pauseUntil } from '../../../support/stream-time.ts'
import {
  type Asked,
  acknowledged,
  keepStreamAt,
  refused,
  startTransmitter,
} from '../../../support/transmitter.ts'

/** A stream with an event that is signed by a key which the transmitter publishes on demand. */
async function startRotated(t: Test) {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const { service, set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'k2', alg: 'RS256', use: 'sig' }
  const claims = setClaims(fake.issuer.url, clock.now())
  fake.queue(claims.jti, await fake.issuer.sign(claims as never, { kid: 'k2' }, privateKey))
  const told = (is: (jti: string) => (asked: Asked) => boolean) => fake.asked.some(is(claims.jti))
  return {
    ...{ clock, fake, service, jti: claims.jti },
    rotate: () => fake.issuer.answerJson('/jwks', { keys: [fake.issuer.key.jwk, jwk] }),
    isAcknowledged: () => told(acknowledged),
    isRefused: () => told(refused),
  }
}

t.test('an event with an unknown key waits for the key, and is accepted', async (t) => {
  const { clock, fake, service, rotate, isAcknowledged, isRefused, jti } = await startRotated(t)
  await passPauses(clock, 20_000)
  t.notOk(isAcknowledged() || isRefused(), 'within the cooldown of the keys')
  t.ok(service.logLines.some((line) => line.includes('wait for an unknown key')))
  rotate()
  await pauseUntil(clock, fake, acknowledged(jti))
  t.equal((await service.call('GET', '/revocations')).json.items.length, 2)
  t.notOk(isRefused())
  t.match((await service.call('GET', '/metrics')).text, /source="idp",result="accepted"\} 2/)
})

t.test('an event whose key stays unknown is rejected after the cooldown', async (t) => {
  const { clock, fake, isAcknowledged, isRefused, jti } = await startRotated(t)
  await passPauses(clock, 25_000)
  t.notOk(isRefused())
  const { body } = await pauseUntil(clock, fake, refused(jti))
  t.match(body.setErrs[jti], { err: 'invalid_key' })
  t.notOk(isAcknowledged())
})

t.test('the number of events waiting for a key is limited', async (t) => {
  const clock = fakeClock()
  const keys = new AwaitedKeys(clock)
  const unknown = new CurfewError('CURFEW_TOKEN_KEY_UNKNOWN')
  const jtis = Array.from({ length: 1_000 }, (_, index) => `${index}`)
  t.ok(jtis.every((jti) => keys.mustWait(jti, unknown)))
  t.notOk(keys.mustWait('more', unknown))
  t.ok(keys.mustWait('0', unknown))
  keys.settle('0')
  t.ok(keys.mustWait('more', unknown))
  t.notOk(
    keys.mustWait('other', new CurfewError('CURFEW_TOKEN_SIGNATURE_INVALID')),
    'which no other key would mend',
  )
  clock.advance(30_000)
  t.notOk(keys.mustWait('1', unknown))
  t.notOk(keys.mustWait('another', unknown))
  clock.advance(270_000)
  t.ok(keys.mustWait('another', unknown), 'those that never came again are forgotten')
})
