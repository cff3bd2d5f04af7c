import t from 'tap'
import { provesGone } from '../../src/revocation/proof.ts'
import { CALL, openPool } from '../support/client-pool.ts'
import { rejection } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'
import { startService } from '../support/service.ts'

t.test('a Qlik user id that no user has exactly is no success, whatever the list shows', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const zoe = service.userWithTokens(3, { id: '66a9eafe12cd34ef56ab7890', email: 'zoe@example.com' })
  tenant.settings.anyCaseUserIds = true
  for (const id of [
    'zoe@example.com',
    zoe.id.toUpperCase(),
    ` ${zoe.id}`,
    `${zoe.id} `,
    zoe.id.slice(0, -1),
    'me',
    '...',
    '%2e%2e',
    `${zoe.id}?limit=1`,
    `${zoe.id}/`,
    zoe.id.repeat(5),
    'x'.repeat(512),
    '名'.repeat(512),
  ]) {
    const path = `/users/${encodeURIComponent(id)}/revoke-all`
    const ended = await service.revoke({}, path)
    t.match(
      ended,
      { status: 'completed', outcome: 'no-such-user', verified: false, tokens: { found: 0 } },
      id,
    )
  }
  t.equal(tenant.tokensOf(zoe.id).length, 3)
  t.match(await service.revoke({}, `/users/${zoe.id}/revoke-all`), { outcome: 'revoked', verified: true })
})

t.test('a user without tokens is looked up once, one with tokens never', async (t) => {
  const runs = await openRuns(t)
  const lookUps = () => runs.sandbox.tenant.calls.filter(({ route }) => route === 'user').length
  const before = async (count: number, tokens?: number) => {
    const { id } = runs.userWithTokens(count)
    // The first run checks the client's own user.
    await runs.qlik.power({ urgency: 0, signal: new AbortController().signal })
    const known = lookUps()
    const revocation = runs.revocation({ userId: id })
    const remaining = tokens ?? 0
    const result = await runs.run({ ...revocation, tokens: { ...revocation.tokens, remaining } })
    t.match(result, { ended: 'completed', proof: { userExists: true } })
    return lookUps() - known
  }
  t.equal(await before(3), 0)
  t.equal(await before(0), 1)
  t.equal(await before(0, 2), 0, 'an earlier attempt has seen tokens')
})

t.test('a name that matches no user ends unverified, with its own outcome', async (t) => {
  const service = await startService(t)
  service.userWithTokens(1, { email: 'ann@example.com' })
  for (const user of [{ email: 'nobody@example.com' }, { subject: 'nobody' }]) {
    t.match(await service.revoke(user), {
      status: 'completed',
      outcome: 'no-matching-user',
      verified: false,
      tokens: { found: 0 },
    })
  }
  t.match(await service.revoke({ userId: 'nobody' }), { outcome: 'no-such-user', verified: false })
  const { text } = await service.call('GET', '/metrics')
  t.match(
    text,
    /^curfew_revocations_total\{tenant="default",status="completed",outcome="no-matching-user"\} 2$/m,
  )
  t.match(text, /^curfew_revocations_total\{tenant="default",status="completed",outcome="no-such-user"\} 1$/m)
})

t.test('the tokens of a deleted user are not proven to be gone', async (t) => {
  const runs = await openRuns(t)
  const result = await runs.run(runs.revocation({ userId: 'nobody' }))
  t.match(result, {
    ended: 'completed',
    outcome: 'no-such-user',
    resolved: ['nobody'],
    proof: { userExists: false },
  })
  t.notOk(result.ended === 'completed' && provesGone(result.proof, { undecided: 0, isConfirmed: true }))
})

t.test('a client that loses its role before it looks a user up does not make the user unknown', async (t) => {
  const runs = await openRuns(t, { sandbox: { lagAfterIssueMs: 3_000 } })
  const { tenant } = runs.sandbox
  const user = tenant.addUser()
  const revocation = runs.revocation({ userId: user.id, reason: 'security' })
  tenant.issueTokens(user.id, 1)
  tenant.onCall((phase, { route }) => {
    if (phase === 'answered' && route === 'list') tenant.changeClient(runs.client.id, { admin: false })
  })
  t.match(await runs.run(revocation), { ended: 'stopped', error: { code: 'CURFEW_CLIENT_NOT_ADMIN' } })
})

t.test('only the client that made the listing can show that the user does not exist', async (t) => {
  const { sandbox, tenant, clients, checked } = await openPool(t)
  const [a, b] = clients
  if (!a || !b) throw new Error('two clients')
  sandbox.tenant.changeClient(b.id, { admin: false, rolesReported: false })
  await checked()
  const user = sandbox.tenant.addUser()
  sandbox.tenant.changeClient(a.id, { disabled: true })
  sandbox.tenant.expireAccessTokens(a.id)
  t.match(await rejection(tenant.userExists(user.id, { ...CALL, client: a.id })), { name: 'QlikFailure' })
  t.equal(await tenant.userExists(user.id, { ...CALL, client: b.id }), false)
})
