import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'
import { startService } from '../support/service.ts'

t.test('the timeline shows the request, its joins, each token, the end and the proof', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { id: 'u1' })
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', after: 1, times: 1 })
  const { id } = await service.revoke({ userId: 'u1' })
  await service.call('POST', `/revocations/${id}/retry`)
  await service.settled(id)
  const { status, json } = await service.call('GET', `/revocations/${id}/timeline`)
  t.equal(status, 200)
  const by = { kind: 'api-key', name: 'API_KEYS[0]' }
  t.match(json, {
    items: [
      { event: 'signal-accepted', by, address: '127.0.0.1', details: { reason: 'logout' } },
      { event: 'started', by: null },
      { event: 'listed', details: { pages: 1, found: 2, kept: 0, isComplete: true } },
      { event: 'listed', details: { found: 1 } },
      { event: 'tokens-revoked', details: { tokens: [{ answer: 'revoked' }] } },
      { event: 'revocation-ended', details: { status: 'failed', error: 'CURFEW_QLIK_FORBIDDEN' } },
      { event: 'retried', by },
      { event: 'listed', details: { found: 1 } },
      { event: 'listed', details: { found: 0 } },
      { event: 'tokens-revoked' },
      { event: 'revocation-ended', details: { status: 'completed' } },
      { event: 'revocation-verified' },
    ],
    isComplete: true,
  })
  t.equal(json.items.length, 12)
  t.same(
    json.items.map(({ at }: { at: string }) => at).toSorted(),
    json.items.map(({ at }: { at: string }) => at),
  )
  isProblem(t, await service.call('GET', '/revocations/nope/timeline'), 'CURFEW_UNKNOWN_REVOCATION')
})

t.test('it shows failed attempts with their reasons, and waits for the budget', async (t) => {
  const clock = fakeClock()
  const environment = { QLIK_TIER2_LIMIT: '2', QLIK_RATE_WINDOW_MS: '20000', QLIK_TIMEOUT_MS: '60000' }
  const service = await startService(t, { clock, sandbox: { now: clock.now }, environment })
  service.userWithTokens(3, { id: 'u1' })
  service.sandbox.tenant.order({ kind: 'status', status: 500, route: 'list' })
  const { id } = (await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })).json
  const timeline = async () => (await service.call('GET', `/revocations/${id}/timeline`)).json.items
  for (;;) {
    clock.advance(1_000)
    const { json } = await service.call('GET', `/revocations/${id}`)
    if (json.status === 'completed') break
  }
  const items = await timeline()
  const of = (name: string) => items.filter(({ event }: { event: string }) => event === name)
  t.match(of('attempt-failed'), [{ details: { attempts: 1, error: 'CURFEW_QLIK_UNAVAILABLE' } }])
  t.equal(of('attempt-failed').length, 1)
  t.match(of('waited'), [{ by: null, details: { what: 'budget', ms: Number } }])
  t.ok(of('waited')[0].details.ms >= 10_000)
})

t.test('without the audit trail, it shows what the revocation itself knows', async (t) => {
  const service = await startService(t, { environment: { AUDIT_RETENTION_DAYS: '0' } })
  service.userWithTokens(1, { id: 'u1' })
  const { id } = await service.revoke({ userId: 'u1' })
  t.match((await service.call('GET', `/revocations/${id}/timeline`)).json, {
    items: [
      { event: 'signal-accepted', by: { name: 'API_KEYS[0]' }, address: null },
      { event: 'started' },
      { event: 'revocation-ended', details: { status: 'completed', outcome: 'revoked', error: null } },
    ],
    isComplete: true,
  })
})
