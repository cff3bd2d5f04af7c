import t from 'tap'
import { remainingRoom, shareRoom, urgencyOf } from '../../src/revocation/schedule.ts'
import { REASONS } from '../../src/revocation/signal.ts'

t.test('a security incident is more urgent than a logout, and a logout than an expiry', async (t) => {
  t.same(REASONS.map(urgencyOf), [0, 1, 2])
  t.same(REASONS, ['security', 'logout', 'session-expired'])
})

t.test('runs take room from their tenant only; a failing tenant has room for one run', async (t) => {
  const room = remainingRoom(['a', 'a', 'b'], { perTenant: 2, failing: new Set(['b', 'c']) })
  t.same(room, {
    total: 997,
    perTenant: 2,
    exceptions: new Map([
      ['a', 0],
      ['b', 0],
      ['c', 1],
    ]),
  })
})

t.test('tenants share the room equally, within their own maximum', async (t) => {
  const room = {
    total: 9,
    perTenant: 4,
    exceptions: new Map([
      ['full', 0],
      ['few', 1],
    ]),
  }
  t.same(shareRoom(room, ['long', 'full', 'few', 'short']), [
    { tenant: 'long', limit: 3 },
    { tenant: 'few', limit: 1 },
    { tenant: 'short', limit: 3 },
  ])
  t.same(shareRoom({ ...room, total: 1 }, ['long', 'short']), [{ tenant: 'long', limit: 1 }])
  t.same(shareRoom({ ...room, total: 0 }, ['long']), [])
  t.same(shareRoom(room, []), [])
})
