import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'
import { type Service, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const BODY = '{"userId":"u1"}'

const deliver = (service: Service, headers: Record<string, string>, body = BODY) =>
  service.call('POST', '/logout-hook', { body, headers })
const storedIds = async ({ stored }: Service) => (await stored()).map(({ id }) => id)

t.test('a repeated webhook delivery gets the first answer, byte for byte, and does nothing', async (t) => {
  const service = await startService(t)
  const user = service.userWithTokens(1, { id: 'u1' })
  const first = await deliver(service, signed(BODY, { id: 'msg_1' }))
  t.equal(first.status, 202)
  t.match(await service.ended(first.json.id), { tokens: { revoked: 1 } })
  service.sandbox.tenant.issueTokens(user.id)

  const again = await deliver(service, signed(BODY, { id: 'msg_1' }))
  t.equal(again.status, 202)
  t.equal(again.text, first.text)
  t.equal(again.headers.get('location'), first.headers.get('location'))
  const svix = await deliver(service, signed(BODY, { id: 'msg_1', names: 'svix' }))
  t.equal(svix.text, first.text, 'the id counts, whatever the header is called')
  t.same(await storedIds(service), [first.json.id])
  t.equal(service.sandbox.tenant.tokensOf(user.id).length, 1)
  t.match(await service.counts(), { 'logout-hook replayed': 2 })
})

t.test('a repetition with Prefer: wait returns the finished revocation', async (t) => {
  const service = await startService(t)
  const headers = signed(BODY)
  const first = await deliver(service, headers)
  const again = await deliver(service, { ...headers, prefer: 'wait=30' })
  t.equal(again.status, 200)
  t.match(again.json, { id: first.json.id, status: 'completed' })
  t.same(await storedIds(service), [first.json.id])
})

t.test('concurrent deliveries are accepted once', async (t) => {
  const service = await startService(t)
  const headers = signed(BODY)
  const replies = await Promise.all(Array.from({ length: 20 }, () => deliver(service, headers)))
  t.equal(new Set(replies.map(({ text }) => text)).size, 1)
  t.same(await storedIds(service), [replies[0]?.json.id])
})

t.test('the same id with another body is another signal', async (t) => {
  const service = await startService(t)
  const user = service.userWithTokens(1, { id: 'u2' })
  const first = await deliver(service, signed(BODY, { id: '1' }))
  const body = '{"userId":"u2"}'
  const second = await deliver(service, signed(body, { id: '1' }), body)
  t.match(second.json, { user: { userId: 'u2' } })
  t.not(second.json.id, first.json.id)
  await service.ended(second.json.id)
  t.equal(service.sandbox.tenant.tokensOf(user.id).length, 0)
})

t.test('another id is another signal', async (t) => {
  const service = await startService(t)
  const first = await deliver(service, signed(BODY))
  await service.ended(first.json.id)
  const second = await deliver(service, signed(BODY))
  t.not(second.json.id, first.json.id)
})

t.test('an id is remembered for three days, with a new signature each time', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const send = () => deliver(service, signed(BODY, { id: 'msg_1', at: clock.now() }))
  const first = await send()
  await service.settled(first.json.id)
  clock.advance(11 * 60_000)
  const user = service.userWithTokens(1, { id: 'u1' })
  t.equal((await send()).text, first.text)
  t.equal(service.sandbox.tenant.tokensOf(user.id).length, 1, 'a login in between is kept')
  clock.leap(3 * 24 * 60 * 60_000)
  const later = await send()
  t.equal(later.status, 202)
  t.not(later.json.id, first.json.id)
  t.equal((await storedIds(service)).length, 2)
})

t.test('a signature is not valid longer than its id is remembered', async (t) => {
  const clock = fakeClock(Date.parse('2026-05-04T12:00:00Z'))
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const captured = signed(BODY, { at: clock.now() + 5 * 60_000 })
  const first = await deliver(service, captured)
  await service.ended(first.json.id)
  clock.advance(10 * 60_000)
  t.equal((await deliver(service, captured)).text, first.text)
  clock.advance(1)
  isProblem(t, await deliver(service, captured), 'CURFEW_SIGNATURE_EXPIRED')
})

t.test('a rejected delivery is not remembered: once corrected, the same id is accepted', async (t) => {
  const service = await startService(t)
  const wrong = '{"userId":""}'
  t.equal((await deliver(service, signed(wrong, { id: 'msg_1' }), wrong)).status, 400)
  t.equal((await deliver(service, signed(BODY, { id: 'msg_1' }))).status, 202)
})
