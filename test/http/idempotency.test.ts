import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { OTHER_API_KEY, type Service, startService } from '../support/service.ts'

const ROUTES = [
  ['/logout-hook', { userId: 'u1' }, { userId: 'u2' }],
  ['/users/u3/revoke-all', { reason: 'logout' }, {}],
  ['/revocations', { users: [{ userId: 'u4' }, {}, { userId: 'u5' }] }, { users: [{ userId: 'u6' }] }],
] as const

function send({ call }: Service, path: string, body: unknown, key: string, headers = {}) {
  return call('POST', path, { body, headers: { 'idempotency-key': key, ...headers } })
}
const countStored = async ({ stored }: Service) => (await stored()).length

for (const [path, body, otherBody] of ROUTES) {
  t.test(`a repeated request to ${path} gets the first answer and does nothing`, async (t) => {
    const service = await startService(t)
    const first = await send(service, path, body, '"key 1"')
    t.equal(first.status, 202)
    const stored = await countStored(service)
    const { json } = first
    const revocations = json.items?.flatMap((item: typeof json) => item.revocation ?? []) ?? [json]
    for (const { id } of revocations) await service.ended(id)

    const again = await send(service, path, body, '"key 1"')
    t.equal(again.status, 202)
    t.equal(again.text, first.text, 'byte for byte')
    t.equal(again.headers.get('location'), first.headers.get('location'))
    t.equal(await countStored(service), stored)

    isProblem(t, await send(service, path, otherBody, '"key 1"'), 'CURFEW_IDEMPOTENCY_MISMATCH')
    t.equal(await countStored(service), stored)
    t.not((await send(service, path, body, '"key 2"')).text, first.text)
  })
}

t.test('concurrent requests are accepted once', async (t) => {
  const service = await startService(t)
  const body = { users: [{ userId: 'u1' }, { userId: 'u2' }] }
  const sent = Array.from({ length: 10 }, () => send(service, '/revocations', body, '"key"'))
  t.equal(new Set((await Promise.all(sent)).map(({ text }) => text)).size, 1)
  t.equal(await countStored(service), 2)
})

t.test('the key is scoped to the API key and to one route with its query', async (t) => {
  const service = await startService(t)
  const first = await send(service, '/logout-hook', { userId: 'u1' }, '"key"')
  await service.ended(first.json.id)
  const headers = { authorization: `Bearer ${OTHER_API_KEY}` }
  const other = await send(service, '/logout-hook', { userId: 'u1' }, '"key"', headers)
  t.equal(other.status, 202)
  t.not(other.json.id, first.json.id)
  const different = await send(service, '/logout-hook', { userId: 'u9' }, '"key"', headers)
  isProblem(t, different, 'CURFEW_IDEMPOTENCY_MISMATCH')
  const elsewhere = await send(service, '/users/u1/revoke-all', undefined, '"key"')
  isProblem(t, elsewhere, 'CURFEW_IDEMPOTENCY_MISMATCH')
})

t.test('a key without quotes is the same key', async (t) => {
  const service = await startService(t)
  const first = await send(
    service,
    '/logout-hook',
    { userId: 'u1' },
    '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
  )
  const again = await send(
    service,
    '/logout-hook',
    { userId: 'u1' },
    ' 8e03978e-40d5-43dd-bc93-6894a57f9324 ',
  )
  t.equal(again.text, first.text)
})

t.test('after 10 minutes a key can be used again', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const first = await send(service, '/logout-hook', { userId: 'u1' }, '"key"')
  await service.ended(first.json.id)
  clock.advance(10 * 60_000)
  t.equal((await send(service, '/logout-hook', { userId: 'u1' }, '"key"')).text, first.text)
  clock.advance(1)
  const later = await send(service, '/logout-hook', { userId: 'u2' }, '"key"')
  t.equal(later.status, 202)
})

t.test('a malformed key is rejected', async (t) => {
  const service = await startService(t)
  const wrong = [
    '',
    '""',
    '"',
    '"a',
    'a b',
    '"a"b"',
    '"a", "b"',
    `"${'x'.repeat(256)}"`,
    '"\u00fc"',
    '"a\tb"',
  ]
  for (const [path, body] of ROUTES) {
    for (const key of wrong) {
      isProblem(t, await send(service, path, body, key), 'CURFEW_REQUEST_INVALID', 'Idempotency-Key')
    }
  }
  await nothingStored(t, service)
  t.equal((await send(service, '/logout-hook', { userId: 'u1' }, `"${'x'.repeat(255)}"`)).status, 202)
})
