import t from 'tap'
import { POLLED } from '../../../src/sandbox/identity-provider/source-entries.ts'
import { TOKEN } from '../../../src/sandbox/identity-provider/transmitter.ts'
import { until } from '../../support/events.ts'
import { nothingStored } from '../../support/problems.ts'
import { tryService } from './open-identity-provider.ts'

t.jobs = 1
const polled = (name: unknown) => name === POLLED
const kind = 'shared-signals'
const check = async ({ call }: { call: (method: string, path: string) => Promise<{ json: Json }> }) =>
  (await call('GET', '/health/ready')).json.checks.find(
    ({ name }: { name: string }) => name === `stream:${POLLED}`,
  )
// biome-ignore lint/suspicious/noExplicitAny: a test's view of JSON
type Json = any

t.test('Curfew polls the events of its verified stream', async (t) => {
  const { service, ann, send } = await tryService(t, polled)
  const result = await send({ kind, delivery: 'poll' })
  t.match(result, { outcome: 'accepted', source: POLLED, status: null, why: /acknowledged/ })
  t.match(JSON.parse(result.answer), { ack: [String] })
  const [revocation] = await service.stored()
  t.match(await service.settled(revocation.id), { source: POLLED, tokens: { revoked: 3 } })
  t.same(service.sandbox.tenant.tokensOf(ann.userId), [])
  t.match(await check(service), { status: 'ok', detail: /verified/ })
})

t.test('a forged event is rejected with the next poll', async (t) => {
  const { service, send } = await tryService(t, polled)
  for (const forgery of ['alg-none', 'another-issuer', 'a-nonce', 'two-parts']) {
    const result = await send({ kind, delivery: 'poll', forgery })
    t.match(result, { outcome: 'rejected', why: /^invalid_\w+: ./ }, forgery)
    t.match(result.answer, /setErrs/)
  }
  await nothingStored(t, service)
})

t.test('an event that nobody polls is withdrawn after a while', async (t) => {
  let expire = () => {}
  const after = (_ms: number, callback: () => void) => {
    expire = callback
    setImmediate(() => expire())
    return () => {}
  }
  const { send } = await tryService(t, () => false, { after })
  const result = await send({ kind, delivery: 'poll' })
  t.match(result, { outcome: 'unavailable', why: /No poll .* 45 s.*stream:shared-signals-poll/ })
})

t.test('Curfew creates a push stream, which is verified and gets events with its header', async (t) => {
  const { provider, service, send } = await tryService(t, () => false)
  const [issued] = provider.sources
  const entry = {
    ...{ ...issued, name: POLLED, kind, pushAuthorization: 'Bearer pushed-by-the-sandbox' },
    transmitter: { delivery: 'push', pushUrl: `${service.url}/sources/${POLLED}/events`, token: TOKEN },
  }
  t.equal((await service.configure([entry])).status, 200)
  await until('the stream is verified', async () => /verified/.test((await check(service)).detail))
  t.match(await send({ kind, source: POLLED }), { outcome: 'accepted', status: 202 })
  t.equal((await service.stored()).length, 1)
})
