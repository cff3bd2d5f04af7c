import fc from 'fast-check'
import t from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { join } from '../../src/revocation/joined-signals.ts'
import { userKey } from '../../src/revocation/keys.ts'
import { requireSameRequest } from '../../src/revocation/replay.ts'
import { isVerified, type Revocation } from '../../src/revocation/revocation.ts'
import { UNLINKED } from '../../src/revocation/signal-time.ts'
import {
  type Confirmation,
  claim,
  confirm,
  confirmBy,
  end,
  newRevocation,
  progress,
  putBack,
  recover,
  retry,
} from '../../src/revocation/transitions.ts'
import { aCompletion, aFailure, FAILURE, PROOF, TOKENS, waiting } from '../conformance/stores.ts'
import { anyRevocation } from '../support/arbitrary.ts'
import { aSignal, T0 } from '../support/signals.ts'

const queued = (different = {}) => newRevocation('id', aSignal(different))
const running = (different = {}) => claim(queued(different), T0)
const completed = (different: Parameters<typeof aCompletion>[0] = {}) =>
  end(running(), aCompletion(different))
/** Completed, awaiting confirmation. */
const unconfirmed = (different = {}) => ({ ...completed({ verificationDueAt: T0 + 6_000 }), ...different })
const other = (different = {}) => newRevocation('other', aSignal(different))
const PROVEN: Confirmation = { found: 'nothing', proof: PROOF, kept: 0, undecided: 0, resolved: ['u1'] }

t.test('a signal creates a queued revocation that is due immediately', async (t) => {
  t.match(queued({ deviceType: 'Phone' }), {
    id: 'id',
    status: 'queued',
    deviceType: 'Phone',
    attempts: 0,
    verified: false,
    proof: null,
    dueAt: T0,
  })
})

t.test('a claim starts an attempt; a second process starts another one', async (t) => {
  const first = claim({ ...queued(), nextAttemptAt: T0, backoffMs: 5 }, T0 + 1)
  t.match(first, {
    status: 'running',
    attempts: 1,
    startedAt: T0 + 1,
    nextAttemptAt: null,
    backoffMs: null,
  })
  t.match(claim(first, T0 + 2), { status: 'running', attempts: 2, startedAt: T0 + 1 })
})

t.test('progress resets failingSince, no progress does not', async (t) => {
  const failing = { ...running(), failingSince: T0, tokens: TOKENS }
  t.match(progress(failing, { ...TOKENS, remaining: 1 }), { failingSince: T0 })
  t.match(progress(failing, { ...TOKENS, revoked: TOKENS.revoked + 1 }), { failingSince: null })
})

t.test('a run that completes is verified if its last listing was the confirming one', async (t) => {
  t.match(completed(), { status: 'completed', verified: true, error: null, fruitless: 0 })
  t.match(unconfirmed(), { status: 'completed', verified: false, verificationDueAt: T0 + 6_000 })
  t.match(completed({ verified: false }), { verified: false, proof: null })
  t.match(completed({ undecided: 1 }), { verified: false })
  t.match(end(running(), aFailure(T0 + 1)), { status: 'failed', error: FAILURE, completedAt: T0 + 1 })
})

t.test('a run that is put back waits, and a newer queued one joins it', async (t) => {
  const alone = putBack(running(), waiting(running(), T0 + 50), null)
  t.match(alone, {
    queued: { id: 'id', status: 'queued', dueAt: T0 + 50, nextAttemptAt: T0 + 50 },
    absorbed: null,
  })
  const both = putBack(running(), waiting(running(), null), other({ scope: 'all', occurredAt: T0 }))
  t.match(both, { queued: { id: 'id', scope: 'all', dueAt: T0 }, absorbed: { id: 'other' } })
})

t.test('joining preserves that a signal of an earlier version had joined', async (t) => {
  const doubtful = { ...other(), signalTimeOf: null }
  const { queued: waits } = putBack(running(), waiting(running(), null), doubtful)
  t.match(waits, { signalTime: { unlinked: true }, signalTimeOf: T0 })
  const failed = { ...end(running(), aFailure()), signalTimeOf: null }
  t.match(retry(failed, other(), T0), { answer: { signalTime: { unlinked: true } } })
  t.match(join(queued(), aSignal()), { signalTime: { unlinked: false } })
})

t.test('a run of an ended process is requeued without waiting', async (t) => {
  t.match(recover({ ...running(), tokens: TOKENS }, null), {
    queued: { status: 'queued', tokens: TOKENS, attempts: 1, nextAttemptAt: null, dueAt: T0 },
  })
})

t.test('a confirming listing verifies, requeues, or is due again', async (t) => {
  t.match(confirm(unconfirmed(), PROVEN, null), {
    confirmed: { status: 'completed', verified: true, verificationDueAt: null },
  })
  t.match(confirm(unconfirmed(), { ...PROVEN, kept: 2, undecided: 1 }, null), {
    confirmed: { verified: false, tokens: { kept: 2 }, undecided: 1 },
  })
  const found = { found: 'tokens', remaining: 2, now: T0 + 7_000 } as const
  t.match(confirm(unconfirmed(), found, other({ reason: 'security' })), {
    queued: { id: 'id', status: 'queued', reason: 'security', outcome: null, tokens: { remaining: 2 } },
    absorbed: { id: 'other' },
  })
  const failed = { found: 'unknown', error: FAILURE, fruitless: 1, failingSince: T0, backoffMs: 9 } as const
  t.match(confirm(unconfirmed(), { ...failed, verificationDueAt: T0 + 9 }, null), {
    confirmed: { status: 'completed', verificationDueAt: T0 + 9, error: FAILURE },
  })
  const given = confirm(unconfirmed(), { ...failed, verificationDueAt: null }, null)
  t.match(given, { confirmed: { status: 'completed', verificationDueAt: null, error: FAILURE } })
  t.notOk('confirmed' in given && isVerified(given.confirmed), 'the revocation stays unverified')
  t.strictSame(confirm(running(), PROVEN, null), { confirmed: running() }, 'nothing else is confirmed')
  const tenant = { earliest: T0, latest: T0 + 60_000 }
  const time = { signalTime: { tenant, open: null, unlinked: false }, signalTimeOf: T0 }
  for (const listing of [PROVEN, found, { ...failed, verificationDueAt: T0 + 9 }]) {
    const next = confirm(unconfirmed(), { ...listing, ...time }, null)
    t.match('queued' in next ? next.queued : next.confirmed, time, 'the measured time is kept')
  }
})

t.test('a newer revocation proves an older one of the same user if it covers it', async (t) => {
  const at = (earliest: number, latest = earliest) => ({
    signalTime: { tenant: { earliest: T0 + earliest, latest: T0 + latest }, open: null, unlinked: false },
  })
  const known = at(0, 1_000)
  const newer = completed()
  const cases: [Partial<Revocation>, Partial<Revocation>, boolean][] = [
    [{}, {}, true],
    [at(-1, 999), {}, true],
    [at(1, 1_000), {}, false],
    [at(0, 1_001), {}, false],
    [at(-9_000, 5_000), at(0, 9_000), true],
    [at(-9_000, 5_001), at(0, 9_000), false],
    // The clocks of their processes differ.
    [{ occurredAt: T0 + 60_000, signalTimeOf: T0 + 60_000 }, {}, true],
    [{ occurredAt: T0 - 60_000, ...at(1, 1_001) }, {}, false],
    [{ signalTime: UNLINKED }, {}, false],
    [{}, { signalTime: UNLINKED }, false],
    [{ signalTime: UNLINKED }, { signalTime: UNLINKED }, false],
    [{ scope: 'all' }, {}, false],
    [{ scope: 'all' }, { scope: 'all' }, true],
    // Tokens granted in between may not have been listed yet.
    [at(1, 1_001), { scope: 'all' }, false],
    [{ resolved: ['u1', 'u2'] }, {}, false],
    [{ resolved: ['u2'] }, { resolved: ['u1', 'u2'] }, true],
    [{}, { verificationDueAt: T0 }, false],
    [{ verificationDueAt: null }, {}, false],
  ]
  for (const [old, young, proves] of cases) {
    const confirmed = confirmBy(unconfirmed({ ...known, ...old }), { ...newer, ...known, ...young })
    t.equal(confirmed?.verified ?? false, proves, JSON.stringify([old, young]))
  }
})

t.test('a retry', async (t) => {
  const now = T0 + 99
  const failed = end(running({ acceptedAt: T0 + 500 }), aFailure())
  const cases: [string, Revocation, Revocation | null, object][] = [
    ['leaves a running one', running(), null, { change: 'none' }],
    ['leaves one that awaits confirmation', unconfirmed(), null, { change: 'none' }],
    [
      'makes a waiting one due immediately',
      { ...queued(), nextAttemptAt: now + 9, fruitless: 4 },
      null,
      {
        change: 'hastened',
        answer: { id: 'id', nextAttemptAt: null, fruitless: 0 },
      },
    ],
    [
      'queues a failed one again, due immediately',
      failed,
      null,
      {
        change: 'queued',
        answer: { id: 'id', status: 'queued', dueAt: now, completedAt: null, error: FAILURE },
      },
    ],
    [
      'queues an unverified one again',
      completed({ verified: false }),
      null,
      {
        change: 'queued',
        answer: { status: 'queued', outcome: null },
      },
    ],
    [
      'widens another queued one, which supersedes it',
      failed,
      other(),
      {
        change: 'widened',
        answer: { id: 'other', status: 'queued' },
        superseded: { id: 'id', status: 'failed', supersededBy: 'other' },
      },
    ],
  ]
  for (const [what, revocation, beside, expected] of cases)
    t.match(retry(revocation, beside, now), expected, what)
  t.throws(() => retry(completed(), null, now), { code: 'CURFEW_NOT_RETRYABLE' })
})

t.test('no retry makes a revocation verified, and none loses its signals', async (t) => {
  fc.assert(
    fc.property(anyRevocation, fc.option(anyRevocation), (revocation, beside) => {
      const waitingOne: Revocation | null = beside && { ...beside, status: 'queued' }
      const { status } = revocation
      if (isVerified(revocation) && status === 'completed') return
      if (status === 'held' || status === 'cancelled') {
        t.throws(() => retry(revocation, waitingOne, T0), CurfewError)
        return
      }
      const { answer, change } = retry(revocation, waitingOne, T0)
      const isSame = answer.id === revocation.id
      t.ok(change === 'none' || !isVerified(answer) || answer.status === 'queued')
      t.ok(isSame || answer.occurredAt >= revocation.occurredAt)
      t.ok(isSame || answer.scope === 'all' || revocation.scope !== 'all')
    }),
    { numRuns: 200 },
  )
})

t.test('a key used for another request is refused', async (t) => {
  t.doesNotThrow(() => requireSameRequest('f', 'f'))
  t.doesNotThrow(() => requireSameRequest(null, null))
  t.throws(() => requireSameRequest('f', 'g'), { code: 'CURFEW_IDEMPOTENCY_MISMATCH' })
})

t.test('keys do not collide', async (t) => {
  const user = (value: string) => ({ kind: 'userId', value }) as const
  t.not(userKey('a', user('b","c')), userKey('a","b', user('c')))
})
