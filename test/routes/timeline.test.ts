import t from 'tap'
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
      { event: 'tokens-revoked', details: { tokens: [{ answer: 'revoked' }] } },
      { event: 'revocation-ended', details: { status: 'failed', error: 'CURFEW_QLIK_FORBIDDEN' } },
      { event: 'retried', by },
      { event: 'tokens-revoked' },
      { event: 'revocation-ended', details: { status: 'completed' } },
      { event: 'revocation-verified' },
    ],
    isComplete: true,
  })
  t.equal(json.items.length, 8)
  t.same(
    json.items.map(({ at }: { at: string }) => at).toSorted(),
    json.items.map(({ at }: { at: string }) => at),
  )
  isProblem(t, await service.call('GET', '/revocations/nope/timeline'), 'CURFEW_UNKNOWN_REVOCATION')
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
