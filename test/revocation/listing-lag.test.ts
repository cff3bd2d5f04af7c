import t from 'tap'
import { openRuns } from '../support/runs.ts'

for (const [lagS, tokens] of [
  [5, 303],
  [8, 102],
] as const) {
  t.test(`with a list ${lagS} s behind its deletes, none of ${tokens} tokens is deleted twice`, async (t) => {
    const runs = await openRuns(t, { sandbox: { lagAfterRevokeMs: lagS * 1_000 } })
    const user = runs.userWithTokens(tokens)
    const began = runs.clock.now()
    const result = await runs.run(runs.revocation({ userId: user.id }))
    t.match(result, {
      ended: 'completed',
      outcome: 'revoked',
      tokens: { revoked: tokens, alreadyGone: 0, kept: 0, remaining: 0 },
      proof: { userExists: true, pages: 1 },
    })
    t.ok(runs.deletes() <= tokens * 1.02, `${runs.deletes()} deletes`)
    t.ok(runs.clock.now() - began >= lagS * 1_000, 'it ended once the list was up to date')
    const other = runs.userWithTokens(3)
    t.match(await runs.run(runs.revocation({ userId: other.id, reason: 'security' })), { ended: 'completed' })
    t.notOk(runs.sandbox.tenant.calls.some(({ status }) => status === 429))
    t.ok(runs.clock.now() - began < 60_000, 'a security signal need not wait for the next window')
  })
}

t.test('one user, requested in three ways at once, takes one delete per token', async (t) => {
  const runs = await openRuns(t, { sandbox: { lagAfterRevokeMs: 2_000 } })
  const user = runs.userWithTokens(152, { email: 'ann@example.com', subject: 'idp|ann' })
  const results = await Promise.all([
    runs.run(runs.revocation({ userId: user.id })),
    runs.run(runs.revocation({ user: { kind: 'email', value: 'ann@example.com' } })),
    runs.run(runs.revocation({ user: { kind: 'subject', value: 'idp|ann' }, reason: 'security' })),
  ])
  for (const result of results) {
    t.match(result, {
      ended: 'completed',
      outcome: 'revoked',
      resolved: [user.id],
      tokens: { revoked: 152, alreadyGone: 0, kept: 0, remaining: 0 },
    })
  }
  t.ok(runs.deletes() <= 152 * 1.02, `${runs.deletes()} deletes`)
})

t.test('a restarted attempt counts no token twice', async (t) => {
  const runs = await openRuns(t, { sandbox: { lagAfterRevokeMs: 40_000 } })
  const user = runs.userWithTokens(120)
  let revocation = runs.revocation({ userId: user.id })
  const attempts = []
  for (;;) {
    const result = await runs.run(revocation)
    attempts.push(result)
    t.match(result.tokens, { revoked: 120, alreadyGone: 0, kept: 0, remaining: 0 })
    if (result.ended === 'completed') break
    t.match(result.error, { code: 'CURFEW_TOKENS_REMAIN', message: /lists 120 tokens that it revoked/ })
    t.equal(result.progressed, attempts.length === 1)
    revocation = { ...revocation, tokens: result.tokens }
  }
  t.equal(attempts.length, 3)
  t.equal(runs.deletes(), 120)
})

t.test(
  'a token still listed a minute after its 204 is reported by id, and deleted once a minute',
  async (t) => {
    const runs = await openRuns(t)
    const user = runs.userWithTokens(2)
    const stuck = runs.sandbox.tenant.order({
      kind: 'status',
      status: 204,
      route: 'revoke',
      times: Number.POSITIVE_INFINITY,
    })
    const ids = runs.sandbox.tenant.tokensOf(user.id).map(({ id }) => id)
    let revocation = runs.revocation({ userId: user.id })
    const attempt = async () => {
      const result = await runs.run(revocation)
      revocation = { ...revocation, tokens: result.tokens }
      return result
    }
    t.match(await attempt(), { ended: 'stopped', progressed: true, tokens: { revoked: 2, remaining: 0 } })
    t.equal(runs.deletes(), 2)
    runs.clock.advance(60_000)
    for (const deletes of [4, 4, 6]) {
      const result = await attempt()
      t.match(result, {
        ended: 'stopped',
        progressed: false,
        tokens: { revoked: 0, alreadyGone: 0, remaining: 2 },
      })
      t.match(result, {
        error: { code: 'CURFEW_TOKENS_REMAIN', message: new RegExp(`a minute .*: ${ids.join(', ')}\\.`) },
      })
      t.equal(runs.deletes(), deletes)
      runs.clock.advance(31_000)
    }
    stuck.cancel()
    runs.clock.advance(60_000)
    t.match(await attempt(), { ended: 'completed', tokens: { revoked: 2, alreadyGone: 0, remaining: 0 } })
  },
)

t.test('after a restart, tokens with deletes under way count as already gone', async (t) => {
  const runs = await openRuns(t, { concurrency: 4 })
  const user = runs.userWithTokens(20)
  const revocation = runs.revocation({ userId: user.id })
  const stop = new AbortController()
  runs.sandbox.tenant.onCall((phase, { route }) => {
    if (phase === 'answered' && route === 'revoke' && runs.deletes() >= 10) stop.abort()
  })
  const first = await runs.run(revocation, stop.signal)
  t.match(first, { ended: 'stopped' })
  const second = await runs.another().run({ ...revocation, tokens: first.tokens })
  t.match(second, { ended: 'completed', tokens: { remaining: 0 } })
  t.equal(second.tokens.revoked + second.tokens.alreadyGone, 20)
  t.ok(second.tokens.alreadyGone <= 4, 'the maximum under way')
})

t.test('a stopped attempt loses no counts: the next attempt counts the deletes that were sent', async (t) => {
  const runs = await openRuns(t, { concurrency: 4 })
  const user = runs.userWithTokens(20)
  const revocation = runs.revocation({ userId: user.id })
  const stop = new AbortController()
  runs.sandbox.tenant.onCall((phase, { route }) => {
    if (phase === 'arrived' && route === 'revoke') stop.abort()
  })
  const first = await runs.run(revocation, stop.signal)
  t.match(first, { ended: 'stopped', tokens: { revoked: 0, remaining: 20 } })
  t.match(await runs.run({ ...revocation, tokens: first.tokens }), {
    ended: 'completed',
    tokens: { revoked: 20, alreadyGone: 0 },
  })
  t.equal(runs.deletes(), 20)
})
