import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { API_KEY, startService, WEBHOOK_SECRET } from '../support/service.ts'
import { signature, signed } from '../support/webhook.ts'

const NEWER_SECRET = `whsec_${Buffer.alloc(64, 3).toString('base64')}`
const BODY = '{"userId":"u1"}'
const environment = { WEBHOOK_SECRETS: `${WEBHOOK_SECRET},${NEWER_SECRET}` }

t.test('a signed logout is accepted without an API key', async (t) => {
  const service = await startService(t, { environment })
  const accepted: [string, Record<string, string>][] = [
    ['webhook-* names', signed(BODY)],
    ['svix-* names', signed(BODY, { names: 'svix' })],
    ['the other of two secrets', signed(BODY, { secret: NEWER_SECRET })],
    [
      'an API key beside it that nobody knows',
      { ...signed(BODY), authorization: 'Bearer nobody-knows-this' },
    ],
    ['a content type with parameters', { ...signed(BODY), 'content-type': 'application/json;charset=utf-8' }],
  ]
  for (const [name, headers] of accepted) {
    const { status, json } = await service.call('POST', '/logout-hook', { headers, body: BODY })
    t.equal(status, 202, name)
    t.match(json, { user: { userId: 'u1' }, source: 'logout-hook', reason: 'logout' })
  }
})

t.test('the formats of common senders are accepted', async (t) => {
  const { call } = await startService(t)
  const id = 'msg_peer'
  for (const [prefix, peer] of [
    ['webhook', new StandardWebhook(WEBHOOK_SECRET)],
    ['svix', new SvixWebhook(WEBHOOK_SECRET)],
  ] as const) {
    const at = new Date()
    const headers = {
      authorization: '',
      [`${prefix}-id`]: `${id}_${prefix}`,
      [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1000)),
      [`${prefix}-signature`]: peer.sign(`${id}_${prefix}`, at, BODY),
    }
    const { status } = await call('POST', '/logout-hook', { headers, body: BODY })
    t.equal(status, 202, prefix)
  }
})

t.test('two signatures in headers of the same name are both checked', async (t) => {
  const { url } = await startService(t)
  const seconds = Math.floor(Date.now() / 1000)
  const send = (headers: Record<string, string>) =>
    sendRequest(url, 'POST', '/logout-hook', { 'content-type': 'application/json', ...headers }, BODY)
  const proof = { 'webhook-id': 'msg_twice', 'webhook-timestamp': String(seconds) }
  const right = signature(BODY, 'msg_twice', seconds)
  const wrong = `v1,${Buffer.alloc(32).toString('base64')}`
  const twice = { ...proof, 'webhook-signature': wrong, 'Webhook-Signature': right }
  t.equal((await send(twice)).status, 202)
  const twoIds = { ...proof, 'Webhook-Id': 'msg_twice', 'webhook-signature': right }
  t.equal((await send(twoIds)).status, 401, 'which of two ids was signed is not guessed')
})

t.test('the tolerance is 5 minutes on the clock of the service', async (t) => {
  const clock = fakeClock(Date.parse('2026-05-04T12:00:00Z'))
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const sent = (offsetMs: number) => {
    const headers = signed(BODY, { at: clock.now() + offsetMs })
    return service.call('POST', '/logout-hook', { headers, body: BODY })
  }
  for (const offsetMs of [-301_000, 301_000]) {
    isProblem(t, await sent(offsetMs), 'CURFEW_SIGNATURE_EXPIRED')
  }
  await nothingStored(t, service)
  for (const offsetMs of [-300_000, 300_000]) t.equal((await sent(offsetMs)).status, 202, `${offsetMs}`)
})

t.test('an invalid signature gets 401 and leaves nothing behind', async (t) => {
  const service = await startService(t)
  const good = signed(BODY)
  const refused: [string, Record<string, string>, string?][] = [
    ['another secret', signed(BODY, { secret: NEWER_SECRET })],
    ['another id', { ...good, 'webhook-id': 'msg_other' }],
    ['a body changed by one byte', good, '{"userId":"u2"}'],
    ['truncated base64', { ...good, 'webhook-signature': String(good['webhook-signature']).slice(0, -4) }],
    ['only an asymmetric signature', { ...good, 'webhook-signature': `v1a,${'A'.repeat(86)}==` }],
    ['a fractional timestamp', { ...good, 'webhook-timestamp': `${good['webhook-timestamp']}.5` }],
    ['no id', { 'webhook-id': '' }],
    ['names of both kinds, mixed', { ...signed(BODY, { names: 'svix' }), 'webhook-signature': 'v1,x' }],
    [
      'a wrong signature beside a good API key',
      { 'webhook-signature': 'v1,x', authorization: `Bearer ${API_KEY}` },
    ],
  ]
  for (const [name, headers, body = BODY] of refused) {
    const reply = await service.call('POST', '/logout-hook', {
      headers: { authorization: '', 'webhook-signature': 'v1,x', ...headers },
      body,
    })
    t.comment(name)
    isProblem(t, reply, 'CURFEW_SIGNATURE_INVALID')
    t.equal(reply.headers.get('www-authenticate'), 'Bearer')
  }
  await nothingStored(t, service)
})

t.test('routes that require an API key ignore signatures', async (t) => {
  const service = await startService(t)
  for (const [method, path] of [
    ['POST', '/users/u1/revoke-all'],
    ['POST', '/revocations'],
    ['GET', '/revocations'],
  ] as const) {
    const body = method === 'POST' ? { body: '{"users":[{"userId":"u1"}]}' } : {}
    const headers = signed(body.body ?? '')
    isProblem(t, await service.call(method, path, { headers, ...body }), 'CURFEW_UNAUTHENTICATED')
  }
  await nothingStored(t, service)
})

t.test('a signed request without a body is authenticated, but invalid', async (t) => {
  const service = await startService(t)
  isProblem(
    t,
    await service.call('POST', '/logout-hook', { headers: signed('') }),
    'CURFEW_REQUEST_INVALID',
    '/',
  )
  const typed = { ...signed(''), 'content-type': 'application/json' }
  isProblem(t, await service.call('POST', '/logout-hook', { headers: typed }), 'CURFEW_REQUEST_INVALID', '/')
  const unsigned = { authorization: '', 'webhook-signature': 'v1,x' }
  isProblem(t, await service.call('POST', '/logout-hook', { headers: unsigned }), 'CURFEW_SIGNATURE_INVALID')
  await nothingStored(t, service)
})
