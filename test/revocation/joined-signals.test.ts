import t from 'tap'
import { join } from '../../src/revocation/joined-signals.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { aSignal, T0 } from '../support/signals.ts'

const queued = (different = {}) => newRevocation('id', aSignal(different))

t.test('the latest time, the highest urgency and the widest scope win, in any order', async (t) => {
  const narrow = {
    reason: 'session-expired',
    scope: 'issued-before',
    occurredAt: T0,
  } as const
  const wide = { reason: 'security', scope: 'all', occurredAt: T0 + 1 } as const
  t.match(join(queued(narrow), aSignal(wide)), wide)
  t.match(join(queued(wide), aSignal(narrow)), wide)
  t.match(join(queued(narrow), aSignal(narrow)), narrow)
})

t.test('joining twice is the same as joining once', async (t) => {
  const signal = aSignal({ reason: 'security', scope: 'all' })
  const once = join(queued(), signal)
  t.strictSame(join(once, signal), once)
})

t.test('joining keeps the wait and restarts the 24 hours', async (t) => {
  const waiting = { ...queued(), nextAttemptAt: T0 + 9, attempts: 3, fruitless: 2, failingSince: T0 }
  t.match(join(waiting, aSignal()), { nextAttemptAt: T0 + 9, attempts: 3, fruitless: 2, failingSince: null })
})

t.test('the receivers of all signals are notified', async (t) => {
  const one = join(queued({ notify: ['siem'] }), aSignal({ notify: ['crm'] }))
  t.same(one.notify, ['siem', 'crm'])
  t.same(join(one, aSignal({ notify: ['crm'] })).notify, ['siem', 'crm'])
  t.same(join(queued(), one).notify, ['siem', 'crm'], 'a revocation that joins another one')
})
