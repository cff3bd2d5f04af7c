import t from 'tap'
import { startWithKeys, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'

const PROCESSED = 'revocation/audit/trail-check.ts'

t.test('the check shows up to where each chain is intact', async (t) => {
  const clock = fakeClock()
  const keys = { ops: {}, restricted: { tenants: ['default'] } }
  const service = await startWithKeys(t, keys, { clock, sandbox: { now: clock.now } })
  const check = () => service.call('GET', '/audit/check', withKey('ops'))
  t.match((await check()).json, { checkedAt: null, chains: [] })
  const writtenAt = clock.now()
  await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  clock.leap(await clock.timerOf(PROCESSED))
  await clock.timerOf(PROCESSED)
  const { json } = await check()
  t.ok(Date.parse(json.checkedAt) > writtenAt)
  t.match(json, { total: 1, damaged: 0 })
  t.equal(json.chains.length, 1)
  t.match(json.chains[0], { problem: null, last: { at: new Date(writtenAt).toISOString() } })
  t.ok(json.chains[0].last.sequence > 1)
  isProblem(t, await service.call('GET', '/audit/check', withKey('restricted')), 'CURFEW_FORBIDDEN')
})

t.test('without an audit trail, there is nothing to check', async (t) => {
  const service = await startWithKeys(t, { ops: {} }, { environment: { AUDIT_RETENTION_DAYS: '0' } })
  isProblem(t, await service.call('GET', '/audit/check', withKey('ops')), 'CURFEW_NO_AUDIT_TRAIL')
})
