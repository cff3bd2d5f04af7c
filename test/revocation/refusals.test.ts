import t from 'tap'
import { refusedSince, revokeTokens } from '../../src/revocation/revoke-tokens.ts'
import { RunTime } from '../../src/revocation/run-time.ts'
import { TokenTally } from '../../src/revocation/tally.ts'
import { nextCall, rejection } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'

const ALWAYS = Number.POSITIVE_INFINITY

t.test('tokens that Qlik refuses to revoke do not stop the others, and are reported by id', async (t) => {
  for (const [statuses, code, answer] of [
    [[403, 403], 'forbidden', /responded to revoke with 403/],
    [[400, 400], 'rejected', /responded to revoke with 400/],
    [[400, 403], 'forbidden', /responded to revoke with 403/],
  ] as const) {
    const runs = await openRuns(t, { concurrency: 1 })
    const user = runs.userWithTokens(61)
    const { tenant } = runs.sandbox
    const refused = [15, 45].map((index) => String(tenant.tokensOf(user.id)[index]?.id))
    tenant.order({ kind: 'status', status: statuses[0], route: 'revoke', after: 15 })
    tenant.order({ kind: 'status', status: statuses[1], route: 'revoke', after: 44 })
    const revocation = runs.revocation({ userId: user.id })
    const result = await runs.run(revocation)
    t.match(result, {
      ended: 'stopped',
      resolved: [user.id],
      tokens: { revoked: 59, alreadyGone: 0, remaining: 2 },
    })
    t.match(result, { error: { kind: code, message: answer } })
    t.match(result, { error: { message: `Not revoked: ${refused.join(', ')}.` } })
    t.same(
      tenant.tokensOf(user.id).map(({ id }) => id),
      refused,
    )
    const again = await runs.run({ ...revocation, tokens: result.tokens })
    t.match(again, { ended: 'completed', tokens: { revoked: 61, remaining: 0 } }, 'a retry tries them again')
    t.equal(runs.deletes(), 63)
  }
})

t.test('a delete refused to one run is not repeated immediately by another', async (t) => {
  const runs = await openRuns(t, { sandbox: { latencyMs: 5 } })
  const user = runs.userWithTokens(20, { email: 'ann@example.com' })
  runs.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', times: 3 })
  const results = await Promise.all([
    runs.run(runs.revocation({ userId: user.id })),
    runs.run(runs.revocation({ user: { kind: 'email', value: 'ann@example.com' } })),
  ])
  for (const result of results) {
    t.match(result, { ended: 'stopped', error: { kind: 'forbidden' }, tokens: { revoked: 17, remaining: 3 } })
  }
  t.equal(runs.deletes(), 20)
})

t.test('a token refused since the attempt began is skipped', async (t) => {
  const runs = await openRuns(t)
  const { qlik, clock, sandbox } = runs
  const user = runs.userWithTokens(2)
  const ids = sandbox.tenant.tokensOf(user.id).map(({ id }) => id)
  const startedAt = clock.monotonic()
  const revocation = runs.revocation({ userId: user.id })
  const time = new RunTime(revocation, { clock, tenant: qlik, storeClock: () => null })
  const call = { urgency: 1, signal: new AbortController().signal }
  const revoke = (since: number) => {
    const tally = new TokenTally(revocation.tokens)
    const listeners = { onChange: () => {}, onRevoked: () => {} }
    const options = { ...call, clock, time, tally, startedAt: since, ...listeners }
    return runs.drive(revokeTokens(ids, qlik, options))
  }
  clock.advance(1)
  sandbox.tenant.order({ kind: 'status', status: 400, route: 'revoke' })
  t.match(await rejection(runs.drive(qlik.revokeToken(String(ids[0]), call))), { kind: 'rejected' })
  await revoke(startedAt)
  t.same([...refusedSince(startedAt, ids, qlik).keys()], [ids[0]])
  t.equal(runs.deletes(), 2)
  clock.advance(1)
  await revoke(clock.monotonic())
  t.equal(runs.deletes(), 3, 'a later attempt tries it again')
})

t.test('a client that loses its role during a run stops soon, and reports it', async (t) => {
  for (const [tokens, maxDeletes] of [
    [400, 40],
    [3, 3],
  ] as const) {
    const runs = await openRuns(t)
    const user = runs.userWithTokens(tokens)
    const { tenant } = runs.sandbox
    nextCall(runs.sandbox, ({ route, path }) => route === 'list' && path.includes(user.id)).then(() =>
      tenant.changeClient(runs.client.id, { admin: false }),
    )
    const revocation = runs.revocation({ userId: user.id })
    const result = await runs.run(revocation)
    t.match(result, { ended: 'stopped', error: { code: 'CURFEW_CLIENT_NOT_ADMIN' } })
    t.match(result, { tokens: { revoked: tokens - tenant.tokensOf(user.id).length } })
    t.ok(runs.deletes() <= maxDeletes, `${runs.deletes()} deletes`)
    tenant.changeClient(runs.client.id, { admin: true })
    runs.clock.advance(30_000)
    t.match(await runs.run({ ...revocation, tokens: result.tokens }), {
      ended: 'completed',
      tokens: { revoked: tokens, alreadyGone: 0, remaining: 0 },
    })
  }
})

t.test('a client that gets only 404s because it has lost its role is not trusted', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(3)
  const { tenant } = runs.sandbox
  tenant.order({ kind: 'status', status: 404, route: 'revoke', times: 3 })
  nextCall(runs.sandbox, ({ route, path }) => route === 'list' && path.includes(user.id)).then(() =>
    tenant.changeClient(runs.client.id, { admin: false }),
  )
  const result = await runs.run(runs.revocation({ userId: user.id }))
  t.match(result, { ended: 'stopped', error: { code: 'CURFEW_CLIENT_NOT_ADMIN' } })
  t.equal(tenant.tokensOf(user.id).length, 3)
})

t.test('a client that has its role but may not revoke does not use up the budget', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(400)
  runs.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', times: ALWAYS })
  const result = await runs.run(runs.revocation({ userId: user.id }))
  t.match(result, { ended: 'stopped', tokens: { revoked: 0, remaining: 400 } })
  t.match(result, {
    error: {
      kind: 'forbidden',
      message: /Not revoked: (\w{24}, ){9}\w{24} and \d+ more\. \d+ more were not tried\.$/,
    },
  })
  t.ok(runs.deletes() <= 110, `${runs.deletes()} deletes`)
})

t.test('a transient failure takes precedence over a refusal: the attempt is repeated', async (t) => {
  const runs = await openRuns(t, { concurrency: 1 })
  const user = runs.userWithTokens(4)
  runs.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke' })
  runs.sandbox.tenant.order({ kind: 'status', status: 503, route: 'revoke' })
  const result = await runs.run(runs.revocation({ userId: user.id }))
  t.match(result, { ended: 'stopped', error: { kind: 'unavailable' }, tokens: { revoked: 2, remaining: 2 } })
})
