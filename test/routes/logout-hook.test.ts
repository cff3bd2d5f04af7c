import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

t.test('a logout by e-mail address ends with every token of that user revoked, and verified', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(3, { email: 'ann@example.com' })
  const ben = service.userWithTokens(2)
  const body = JSON.stringify({ email: 'ann@example.com' })
  const { status, headers, json } = await service.call('POST', '/logout-hook', {
    body,
    headers: signed(body),
  })
  t.equal(status, 202)
  t.equal(headers.get('location'), `/revocations/${json.id}`)
  t.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  const ended = await service.settled(json.id)
  t.match(ended, {
    status: 'completed',
    outcome: 'revoked',
    verified: true,
    tokens: { found: 3, revoked: 3, alreadyGone: 0, kept: 0, remaining: 0 },
    attempts: 1,
    error: null,
    startedAt: ISO,
    completedAt: ISO,
  })
  t.equal(service.sandbox.tenant.tokensOf(ann.id).length, 0)
  t.equal(service.sandbox.tenant.tokensOf(ben.id).length, 2, 'nobody else is touched')
})

t.test('the response has exactly the members of the contract', async (t) => {
  const { call } = await startService(t)
  const { json } = await call('POST', '/logout-hook', { body: { userId: 'u1' } })
  t.match(json.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.match(json.acceptedAt, ISO)
  t.equal(json.occurredAt, json.acceptedAt)
  t.match(json.estimatedCompletionAt, ISO)
  const { id, acceptedAt, occurredAt, estimatedCompletionAt, ...rest } = json
  t.same(rest, {
    tenant: 'default',
    user: { userId: 'u1' },
    source: 'logout-hook',
    senders: [{ kind: 'api-key', name: 'API_KEYS[0]' }],
    reason: 'logout',
    scope: 'issued-before',
    status: 'queued',
    outcome: null,
    tokens: { found: 0, revoked: 0, alreadyGone: 0, kept: 0, remaining: 0, undecided: 0 },
    verified: false,
    proof: null,
    verificationDueAt: null,
    supersededBy: null,
    hold: null,
    attempts: 0,
    error: null,
    startedAt: null,
    completedAt: null,
    nextAttemptAt: null,
    waitingFor: null,
  })
})

t.test('every member of the contract takes effect', async (t) => {
  const { call } = await startService(t)
  const accepted: [object, object][] = [
    [{ userId: 'u1' }, { user: { userId: 'u1' } }],
    [{ subject: 'auth0|u2' }, { user: { subject: 'auth0|u2' } }],
    [{ email: 'ü@bücher.example' }, { user: { email: 'ü@bücher.example' } }],
    [{ userId: 'u3', tenant: 'default' }, { tenant: 'default' }],
    [
      { userId: 'u4', reason: 'session-expired' },
      { reason: 'session-expired', scope: 'issued-before' },
    ],
    [
      { userId: 'u5', reason: 'security' },
      { reason: 'security', scope: 'all' },
    ],
    [{ userId: 'u6', reason: 'security', scope: 'issued-before' }, { scope: 'issued-before' }],
    [
      { userId: 'u7', scope: 'all' },
      { reason: 'logout', scope: 'all' },
    ],
    [{ userId: 'u8', deviceType: 'Browser' }, { deviceType: 'Browser' }],
    [{ userId: 'u'.repeat(512) }, { user: { userId: 'u'.repeat(512) } }],
    [
      { userId: '🌙 / ? # % .. \\ " \' constructor' },
      { user: { userId: '🌙 / ? # % .. \\ " \' constructor' } },
    ],
  ]
  for (const [body, expected] of accepted) {
    const { status, json } = await call('POST', '/logout-hook', { body })
    t.equal(status, 202, JSON.stringify(body).slice(0, 80))
    t.match(json, expected)
  }
})

t.test('an unknown subject completes; one that several users have in other letter case fails', async (t) => {
  const service = await startService(t)
  t.match(await service.revoke({ subject: 'nobody' }), {
    status: 'completed',
    outcome: 'no-matching-user',
    verified: false,
    tokens: { found: 0 },
  })
  const users = ['Twin@example.com', 'twin@example.com'].map((email) => service.userWithTokens(1, { email }))
  t.match(await service.revoke({ email: 'twin@example.com' }), {
    status: 'failed',
    verified: false,
    error: { code: 'CURFEW_AMBIGUOUS_USER', title: /./, detail: /2 users/, action: /user id/ },
  })
  for (const { id } of users) t.equal(service.sandbox.tenant.tokensOf(id).length, 1)
})

t.test('a tenant that is not configured is rejected', async (t) => {
  const service = await startService(t)
  const body = { userId: 'u1', tenant: 'elsewhere' }
  isProblem(t, await service.call('POST', '/logout-hook', { body }), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await service.call('POST', '/users/u1/revoke-all?tenant=elsewhere'), 'CURFEW_UNKNOWN_TENANT')
  const users = { tenant: 'elsewhere', users: [{ userId: 'u1' }] }
  isProblem(t, await service.call('POST', '/revocations', { body: users }), 'CURFEW_UNKNOWN_TENANT')
  await nothingStored(t, service)
})
