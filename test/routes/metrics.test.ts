import t from 'tap'
import { type Service, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

/** All samples, as `name{label="value"}` without the labels of histogram buckets. */
async function samplesOf({ call }: Service) {
  const { text } = await call('GET', '/metrics', { headers: { authorization: '' } })
  const samples = text.matchAll(/^([a-z_]+(?:\{.*\})?) (\S+)$/gm)
  return new Map([...samples].map(([, name, value]) => [String(name), Number(value)]))
}

t.test('every metric is there from the start', async (t) => {
  const { call } = await startService(t)
  const { status, headers, text } = await call('GET', '/metrics', { headers: { authorization: '' } })
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^text\/plain; version=/)
  // Their names, types and labels: test/docs/metrics.test.ts.
  t.equal([...text.matchAll(/^# TYPE (\S+) (counter|gauge|histogram)$/gm)].length, 28)
})

t.test('events are counted', async (t) => {
  const service = await startService(t)
  const { client, sandbox } = service
  service.userWithTokens(3, { id: 'u1' })
  const idle = await samplesOf(service)
  t.equal(idle.get('curfew_backlog{tenant="default",status="queued"}'), 0)
  t.equal(idle.get('curfew_backlog{tenant="default",status="running"}'), 0)
  // The check of its role may have begun.
  t.ok(Number(idle.get(`curfew_budget_remaining{tenant="default",client="${client.id}",tier="1"}`)) > 4_900)

  const body = '{"userId":"u1"}'
  const headers = signed(body)
  for (const _ of ['first', 'again']) await service.call('POST', '/logout-hook', { body, headers })
  const { json } = await service.call('GET', '/revocations')
  await service.settled(json.items[0].id)
  await service.call('POST', '/logout-hook', { body: {}, headers: { authorization: '' } })
  await service.call('POST', '/logout-hook', { body: {} })
  await service.call('POST', '/users/u2/revoke-all?dryRun=true')
  const users = [{ userId: 'u3' }, { userId: 'u4' }, {}]
  const bulk = await service.call('POST', '/revocations', { body: { users } })
  for (const { revocation } of bulk.json.items.slice(0, 2)) await service.ended(revocation.id)
  sandbox.tenant.order({ kind: 'status', status: 403, route: 'list' })
  await service.revoke({}, '/users/u5/revoke-all')
  sandbox.tenant.order({ kind: 'hang', route: 'list' })
  await service.call('POST', '/logout-hook', { body: { userId: 'u6' } })

  const samples = await samplesOf(service)
  const expected: Record<string, number> = {
    'curfew_signals_total{source="logout-hook",result="accepted"}': 2,
    'curfew_signals_total{source="logout-hook",result="replayed"}': 1,
    'curfew_signals_total{source="logout-hook",result="rejected"}': 2,
    'curfew_signals_total{source="bulk",result="accepted"}': 2,
    'curfew_signals_total{source="revoke-all",result="accepted"}': 1,
    'curfew_revocations_total{tenant="default",status="completed",outcome="revoked"}': 1,
    'curfew_revocations_total{tenant="default",status="completed",outcome="no-such-user"}': 2,
    'curfew_revocations_total{tenant="default",status="failed",outcome=""}': 1,
    'curfew_verifications_total{tenant="default",result="verified"}': 1,
    'curfew_verifications_total{tenant="default",result="unverified"}': 2,
    curfew_time_to_verify_seconds_count: 1,
    'curfew_tokens_revoked_total{tenant="default"}': 3,
    curfew_time_to_revoke_seconds_count: 3,
    'curfew_qlik_requests_total{tenant="default",route="token",status="200"}': 1,
    'curfew_qlik_requests_total{tenant="default",route="revoke",status="204"}': 3,
    'curfew_qlik_requests_total{tenant="default",route="list",status="403"}': 1,
    'curfew_qlik_request_seconds_count{route="revoke"}': 3,
    [`curfew_budget_remaining{tenant="default",client="${client.id}",tier="2"}`]: 496,
  }
  for (const [sample, value] of Object.entries(expected)) t.equal(samples.get(sample), value, sample)
  const backlog = [...samples]
    .filter(([name]) => name.startsWith('curfew_backlog{'))
    .map(([, count]) => count)
  t.equal(
    backlog.reduce((sum, count) => sum + count),
    1,
    'the one that hangs is queued or running',
  )
})

t.test('no metric has the name of a sender or a user as label', async (t) => {
  const service = await startService(t)
  await service.revoke({ email: 'ann@example.com' })
  await service.call('POST', '/users/some-user/revoke-all?dryRun=true')
  await service.call('GET', '/no/such/route')
  const { text } = await service.call('GET', '/metrics')
  for (const name of ['ann@', 'some-user', 'no/such']) t.notMatch(text, name)
})
