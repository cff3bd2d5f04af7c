import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { startService } from '../support/service.ts'

t.test('a tenant that fails is tried less often, however many revocations are due', async (t) => {
  const clock = fakeClock()
  // Without a backoff, every revocation is always due.
  const service = await startService(t, { clock, random: () => 0 })
  const { tenant } = service.sandbox
  const users = Array.from({ length: 20 }, () => service.userWithTokens(1))
  const fault = tenant.order({ kind: 'status', status: 503, route: 'me', times: 100_000 })
  for (const { id } of users) await service.call('POST', '/logout-hook', { body: { userId: id } })
  const minutePasses = async (isOver: () => boolean) => {
    for (let step = 0; step < 600 && !isOver(); step += 1) {
      clock.advance(100)
      for (let turn = 0; turn < 20; turn += 1) await nextTurn()
    }
  }
  await minutePasses(() => false)
  t.ok(fault.applied >= 10, 'it is tried again')
  t.ok(fault.applied < 60, `${fault.applied} calls in a minute`)
  tenant.faults.cancelAll()
  const tokens = () => users.reduce((sum, { id }) => sum + tenant.tokensOf(id).length, 0)
  await minutePasses(() => tokens() === 0)
  t.equal(tokens(), 0, 'all revocations run soon after the tenant works again')
})
