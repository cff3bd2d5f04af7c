import t from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { QlikFailure, type QlikFailureKind } from '../../src/revocation/qlik-tenant.ts'
import {
  concernsOneUser,
  GIVE_UP_AFTER_MS,
  judgeAttempt,
  judgeCall,
  toFailure,
} from '../../src/revocation/retry-policy.ts'

const CALL = { renewed: false, waitedMs: 0, windowMs: 300_000 }
const ATTEMPT = { now: 1_000_000, failingSince: 1_000_000, fruitless: 1, random: 0.5 }
const failure = (kind: QlikFailureKind, retryAfterMs?: number) =>
  new QlikFailure(kind, kind, { retryAfterMs })

t.test('a 401 renews the access token, once per call', async (t) => {
  t.same(judgeCall(failure('unauthorized'), CALL), { action: 'renew-access-token' })
  t.same(judgeCall(failure('unauthorized'), { ...CALL, renewed: true }), { action: 'give-up' })
})

t.test('a 429 waits as long as Qlik says, up to 15 minutes', async (t) => {
  for (const [asked, ms] of [
    [13_000, 13_000],
    [900_000, 900_000],
    [0, 1_000],
    [undefined, 30_000],
    [900_001, 900_000],
    [10 * GIVE_UP_AFTER_MS, 900_000],
  ] as const) {
    const wait = { action: 'wait', ms, askedMs: asked ?? null }
    t.same(judgeCall(failure('rate-limited', asked), CALL), wait, `asked ${asked}`)
  }
  t.same(judgeCall(failure('rate-limited', 1), { ...CALL, waitedMs: GIVE_UP_AFTER_MS }), {
    action: 'give-up',
  })
})

t.test('any other failure ends the attempt immediately', async (t) => {
  for (const kind of ['client-rejected', 'forbidden', 'rejected', 'unavailable', 'unreadable'] as const) {
    t.same(judgeCall(failure(kind), CALL), { action: 'give-up' }, kind)
  }
  t.same(judgeCall(new Error('other'), CALL), { action: 'give-up' })
})

t.test('errors that a retry cannot fix fail immediately', async (t) => {
  for (const [error, code] of [
    [failure('forbidden'), 'CURFEW_QLIK_FORBIDDEN'],
    [failure('rejected'), 'CURFEW_QLIK_REJECTED'],
    [new CurfewError('CURFEW_AMBIGUOUS_USER'), 'CURFEW_AMBIGUOUS_USER'],
    [new CurfewError('CURFEW_OWN_USER'), 'CURFEW_OWN_USER'],
  ] as const) {
    t.match(judgeAttempt(error, ATTEMPT), { action: 'fail', failure: { code } })
  }
})

t.test('other errors back off with full jitter, from 1 s to 5 min', async (t) => {
  for (const error of [
    failure('unavailable'),
    failure('unreadable'),
    failure('unauthorized'),
    failure('client-rejected'),
    new CurfewError('CURFEW_CLIENT_NOT_ADMIN'),
    new CurfewError('CURFEW_TOKENS_REMAIN'),
    new CurfewError('CURFEW_UNKNOWN_TENANT'),
    new Error('a mistake'),
  ]) {
    t.match(judgeAttempt(error, ATTEMPT), { action: 'back-off', at: ATTEMPT.now + 500 }, error.message)
  }
  const waits = [1, 2, 3, 8, 9, 10, 5_000].map((fruitless) => {
    const decision = judgeAttempt(failure('unavailable'), { ...ATTEMPT, fruitless, random: 0.999999 })
    return decision.action === 'back-off' ? decision.at - ATTEMPT.now : null
  })
  t.same(waits, [1_000, 2_000, 4_000, 128_000, 256_000, 300_000, 300_000])
  t.match(judgeAttempt(failure('unavailable'), { ...ATTEMPT, fruitless: 9, random: 0 }), { at: ATTEMPT.now })
})

t.test('a Retry-After with a server error is waited for, too', async (t) => {
  t.match(judgeAttempt(failure('unavailable', 60_000), ATTEMPT), {
    action: 'back-off',
    at: ATTEMPT.now + 60_000,
  })
  t.match(judgeAttempt(failure('unavailable', 10), ATTEMPT), { action: 'back-off', at: ATTEMPT.now + 500 })
  const days = judgeAttempt(failure('unavailable', 10 * GIVE_UP_AFTER_MS), ATTEMPT)
  t.match(days, { action: 'back-off', at: ATTEMPT.now + 3_600_000 }, 'at most an hour')
})

t.test('after 24 hours without success the revocation fails', async (t) => {
  const now = ATTEMPT.failingSince + GIVE_UP_AFTER_MS
  t.match(judgeAttempt(failure('unavailable'), { ...ATTEMPT, now: now - 500 }), { action: 'back-off' })
  t.match(judgeAttempt(failure('unavailable'), { ...ATTEMPT, now }), {
    action: 'fail',
    failure: { code: 'CURFEW_QLIK_UNAVAILABLE' },
  })
})

t.test('the text of a foreign error does not appear in the revocation', async (t) => {
  t.notMatch(toFailure(new Error('ann@example.com')).detail, 'ann')
  t.equal(toFailure(new Error('ann@example.com')).code, 'CURFEW_INTERNAL')
})

t.test('an error that concerns one user does not count against the tenant', async (t) => {
  for (const [error, expected] of [
    [failure('forbidden'), true],
    [failure('rejected'), true],
    [new CurfewError('CURFEW_AMBIGUOUS_USER'), true],
    [new CurfewError('CURFEW_TOKENS_REMAIN'), true],
    [new CurfewError('CURFEW_LISTING_UNSTABLE'), true],
    [failure('unavailable'), false],
    [failure('unauthorized'), false],
    [new CurfewError('CURFEW_CLIENT_NOT_ADMIN'), false],
    [new CurfewError('CURFEW_SCOPE_TOO_NARROW'), false],
    [new Error('unexpected'), false],
  ] as const) {
    t.equal(concernsOneUser(error), expected, String(error))
  }
})
