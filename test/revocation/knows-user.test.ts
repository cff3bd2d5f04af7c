import t from 'tap'
import { createKnowsUser } from '../../src/revocation/knows-user.ts'
import type { Power, QlikTenant, UserMatch } from '../../src/revocation/qlik-tenant.ts'
import { fakeClock } from '../support/clock.ts'
import { qlikTenant } from '../support/qlik-tenant.ts'

const ada = { kind: 'email', value: 'ada@example.com' } as const

type Find = (...of: Parameters<QlikTenant['findUsers']>) => Promise<UserMatch[]>

function knowsUser(find: Find, power: Power = 'proven') {
  const clock = fakeClock()
  const tenant = qlikTenant({
    findUsers: async (...of) => ({ matches: await find(...of), seesAll: power === 'proven' }),
  })
  const get = (name: string) => (name === 'default' ? tenant : undefined)
  return { clock, knows: createKnowsUser({ tenants: { get }, clock }) }
}

t.test('a user that Qlik lists is known, any other is unknown', async (t) => {
  const found = knowsUser(async () => [{ id: 'u1', value: ada.value }])
  t.equal(await found.knows('default', ada), 'known')
  t.equal(found.clock.untilNextTimer(), null)
  t.equal(await knowsUser(async () => []).knows('default', ada), 'unknown')
})

t.test('an empty list is inconclusive if the client may not see other users', async (t) => {
  for (const power of ['unknown', 'lacking'] as const)
    t.equal(await knowsUser(async () => [], power).knows('default', ada), 'undecided')
})

t.test('the result is undecided if the tenant is slow, fails or is not configured', async (t) => {
  const slow = knowsUser(
    (_, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const answer = slow.knows('default', ada)
  slow.clock.advance(1_500)
  t.equal(await answer, 'undecided')
  const failing = knowsUser(async () => {
    throw new Error('down')
  })
  t.equal(await failing.knows('default', ada), 'undecided')
  t.equal(await failing.knows('other', ada), 'undecided')
})

t.test('a Qlik user id is not looked up', async (t) => {
  const { knows } = knowsUser(async () => [])
  t.equal(await knows('default', { kind: 'userId', value: 'u1' }), 'undecided')
})
