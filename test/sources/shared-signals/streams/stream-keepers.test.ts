import t from 'tap'
import type { SharedSignalsSource } from '../../../../src/sources/shared-signals/entry.ts'
import {
  StreamKeepers,
  type StreamKeepersOptions,
} from '../../../../src/sources/shared-signals/streams/stream-keepers.ts'
import { fakeClock } from '../../../support/clock.ts'
import { ADA, SSF, setClaims } from '../../../support/shared-signals.ts'
import { acknowledged, checkOf, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

t.test('a source that a reload removes is no longer polled, and an unchanged one still is', async (t) => {
  const fake = await startTransmitter(t)
  const { service, entry, set } = await keepStreamAt(t, fake)
  await fake.until(acknowledged(await set()))
  const more = { ...entry, name: 'more', transmitter: undefined }
  t.equal((await service.configure([entry, more])).status, 200)
  await fake.until(acknowledged(await set()))
  t.equal(fake.asked.filter(({ path }) => path === '/verify').length, 1, 'the same stream continues')
  await service.configure([])
  t.equal(await checkOf(service), undefined)
})

t.test('the state of a source ends when a reload removes it', async (t) => {
  const fake = await startTransmitter(t)
  const { service, entry } = await keepStreamAt(t, fake)
  await fake.until(({ path }) => path === '/poll')
  while (fake.issuer.asked('/jwks') === 0) await service.call('GET', '/health/live')
  // The event is verified only after the reload, because its new key arrives late.
  let answerKeys = () => {}
  const asked = new Promise<void>((resolve) => {
    fake.issuer.answer('/jwks', (_, response) => {
      answerKeys = () => response.end(JSON.stringify({ keys: [{ ...fake.issuer.key.jwk, kid: 'k2' }] }))
      resolve()
    })
  })
  const claims = setClaims(fake.issuer.url, Date.now(), {
    type: `${SSF}stream-updated`,
    subject: ADA,
    event: { status: 'paused' },
  })
  fake.queue(claims.jti, await fake.issuer.sign(claims, { kid: 'k2' }))
  await asked
  t.equal((await service.configure([{ ...entry, transmitter: undefined }])).status, 200)
  answerKeys()
  while (!service.logLines.some((line) => line.includes('event stream stopped')))
    await service.call('GET', '/health/live')
  t.equal(await checkOf(service), undefined)
})

t.test('a start after the stop, when the process ends during its start, keeps nothing', async (t) => {
  const asked: string[] = []
  const options = {
    clock: fakeClock(),
    log: { info() {}, warn() {}, error() {} },
    fetchJson: async (url: string) => void asked.push(url),
  } as unknown as StreamKeepersOptions
  const keepers = new StreamKeepers(options)
  const transmitter = { delivery: 'poll', token: 'x' }
  keepers.replace([
    { config: { name: 'op', issuer: 'https://op.example', transmitter } } as unknown as SharedSignalsSource,
  ])
  await keepers.stop()
  keepers.start()
  await keepers.stop()
  t.same(asked, [])
})
