import t from 'tap'
import { signature } from '../support/webhook.ts'
import { EMAIL, endAccess, LANGUAGES, PAST_LEEWAY_MS, startCurfew } from './example.ts'

const SHORT_MS = 500
/** Before the tokens of a test are granted. Python 3.9 cannot parse a `Z`. */
const LONG_AGO = new Date(Date.now() - 60_000).toISOString().replace('Z', '+00:00')

for (const { name, skip, command } of LANGUAGES) {
  t.test(`${name}: a logout ends all tokens`, { skip }, async (t) => {
    const { front, tokens, revocation } = await startCurfew(t)
    const sentAfter = Date.now()
    const result = await endAccess(command, front.url)
    const [attempt] = front.attempts
    const ended = await revocation()
    t.match(ended, { status: 'completed', verified: true, reason: 'logout', scope: 'issued-before' })
    t.equal(ended.tokens.revoked, 2)
    t.same(result, {
      ok: true,
      revocationId: ended.id,
      webhookId: attempt?.headers['webhook-id'],
      attempts: 1,
    })
    t.same(tokens(), [])
    const { occurredAt, ...others } = JSON.parse(String(attempt?.body))
    t.ok(Date.parse(occurredAt) >= sentAfter && Date.parse(occurredAt) <= Date.now())
    t.same(others, { email: EMAIL, reason: 'logout' }, 'nothing else is known of the user')
  })

  t.test(`${name}: retries are one logout, each signed when it is sent`, { skip }, async (t) => {
    const { front, tokens, revocation } = await startCurfew(t)
    front.fates.push('reset', { status: 503, headers: { 'retry-after': '0' } }, { status: 429 }, 'hang')
    const occurredAt = LONG_AGO
    const result = await endAccess(command, front.url, { occurredAt, attempts: 20, attemptMs: 1_000 })
    t.match(result, { ok: true, revocationId: (await revocation()).id })
    t.ok(front.attempts.length >= 5, 'more if the machine is busy')
    t.equal(new Set(front.attempts.map(({ headers }) => headers['webhook-id'])).size, 1)
    t.equal(new Set(front.attempts.map(({ body }) => body)).size, 1)
    t.equal(Date.parse(JSON.parse(String(front.attempts[0]?.body)).occurredAt), Date.parse(occurredAt))
    const times = front.attempts.map(({ headers }) => Number(headers['webhook-timestamp']))
    t.ok(Number(times.at(-1)) > Number(times[0]), 'the last one was sent after a timeout of a second')
    for (const { headers, body } of front.attempts) {
      const expected = signature(body, result.webhookId, Number(headers['webhook-timestamp']))
      t.equal(headers['webhook-signature'], expected)
    }
    t.same(tokens().length, 2, 'they were granted after that time')
  })

  t.test(`${name}: a repetition after a lost answer joins the first request`, { skip }, async (t) => {
    const { service, front, tokens, revocation } = await startCurfew(t)
    front.fates.push('lose-answer')
    const result = await endAccess(command, front.url)
    t.match(result, { ok: true, attempts: 2, revocationId: (await revocation()).id })
    t.same(await service.counts(), { 'logout-hook accepted': 1, 'logout-hook replayed': 1 })
    t.same(tokens(), [])
  })

  t.test(`${name}: a late retry does not end a later login`, { skip }, async (t) => {
    const { service, clock, ann, front, tokens, revocation } = await startCurfew(t)
    let later: string[] = []
    front.fates.push('reset', () => {
      clock.skip(PAST_LEEWAY_MS)
      later = service.sandbox.tenant.issueTokens(ann.id, 2).map(({ id }) => id)
    })
    t.match(await endAccess(command, front.url), { ok: true, attempts: 2 })
    t.match(await revocation(), { status: 'completed', tokens: { revoked: 2, kept: 2 } })
    t.equal(later.length, 2)
    t.same(tokens(), later)
  })

  t.test(`${name}: a given webhook-id makes calls of two processes one logout`, { skip }, async (t) => {
    const { front, revocation } = await startCurfew(t)
    const options = {
      webhookId: 'outbox-1',
      occurredAt: LONG_AGO,
      reason: 'session-expired',
    }
    const first = await endAccess(command, front.url, options)
    t.same(await endAccess(command, front.url, options), first)
    t.match(await revocation(), { id: first.revocationId, reason: 'session-expired' })
  })

  t.test(`${name}: a request that Curfew rejects is not retried`, { skip }, async (t) => {
    const { front } = await startCurfew(t)
    const result = await endAccess(command, front.url, {}, `whsec_${Buffer.alloc(32).toString('base64')}`)
    t.match(result, { ok: false, code: 'CURFEW_SIGNATURE_INVALID', attempts: 1 })
    t.equal(result.webhookId, front.attempts[0]?.headers['webhook-id'])
  })

  t.test(`${name}: an answer that is not Curfew's is a failure`, { skip }, async (t) => {
    const { front } = await startCurfew(t)
    for (const status of [200, 301, 404]) {
      front.fates.push({ status, headers: { location: '/' }, body: '<html>' })
      t.match(await endAccess(command, front.url), { ok: false, code: `HTTP_${status}`, attempts: 1 })
    }
    t.equal(front.attempts.length, 3, 'redirects are not followed')
  })

  t.test(`${name}: it gives up after a number of attempts, or when time is short`, { skip }, async (t) => {
    const { service, front } = await startCurfew(t)
    front.fates.push('reset', 'reset')
    t.match(await endAccess(command, front.url, { attempts: 2 }), { ok: false, attempts: 2 })
    front.fates.push('hang')
    const result = await endAccess(command, front.url, { attempts: 1, attemptMs: SHORT_MS })
    t.match(result, { ok: false, code: 'TIMEOUT', attempts: 1 })
    // On a busy machine, the time can be up before the request is sent.
    front.fates.length = 0
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString()
    for (const header of ['3600', inAnHour]) {
      front.fates.push({ status: 429, headers: { 'retry-after': header } })
      t.match(await endAccess(command, front.url), { ok: false, code: 'HTTP_429', attempts: 1 }, header)
    }
    t.same(await service.stored(), [])
  })

  t.test(`${name}: it reports that nothing listens`, { skip }, async (t) => {
    const { service } = await startCurfew(t)
    await service.app.close()
    t.match(await endAccess(command, service.url, { attempts: 2 }), {
      ok: false,
      code: 'ECONNREFUSED',
      attempts: 2,
    })
  })
}
