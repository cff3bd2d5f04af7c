import t from 'tap'
import { isInScope, issuedAt, scopeOf } from '../../src/revocation/scope.ts'
import { aSignal, T0 } from '../support/signals.ts'

const NOW = Date.parse('2024-07-31T08:00:00Z')
const ISSUED = Date.parse('2024-07-31T07:42:54Z')
const id = (at: number) =>
  `${Math.floor(at / 1000)
    .toString(16)
    .padStart(8, '0')}249304d27e7f7000`
const token = (tokenId: string, deviceType: string | null = null) => ({
  id: tokenId,
  deviceType,
  lastUsed: null,
  description: null,
  clientId: null,
})

t.test("the id of Qlik's own example tells when it was issued", async (t) => {
  t.equal(issuedAt('66a9eafe249304d27e7f7000', NOW), ISSUED)
})

t.test('an id of another form, or with a time ahead of now, tells nothing', async (t) => {
  for (const other of ['TiQ8GPVr8qI714Lp5ChAAFFaU24MJy69', '', '66a9eafe', 'zz'.repeat(12), 'f'.repeat(24)]) {
    t.equal(issuedAt(other, NOW), null, other)
  }
})

t.test('issued-before keeps only what tells a later time', async (t) => {
  const scope = { scope: 'issued-before', deviceType: null, issuedUntil: ISSUED } as const
  t.equal(isInScope(token(id(ISSUED)), scope, NOW), true)
  t.equal(isInScope(token(id(ISSUED + 1_000)), scope, NOW), false)
  t.equal(isInScope(token('opaque'), scope, NOW), true, 'an id that tells nothing is revoked')
  t.equal(isInScope(token('f'.repeat(24)), scope, NOW), true)
})

t.test('all keeps nothing; a device type keeps the others', async (t) => {
  const all = { scope: 'all', deviceType: null, issuedUntil: 0 } as const
  t.equal(isInScope(token(id(NOW)), all, NOW), true)
  const phones = { ...all, deviceType: 'Phone' }
  t.equal(isInScope(token(id(NOW), 'Phone'), phones, NOW), true)
  t.equal(isInScope(token(id(NOW), 'Tablet'), phones, NOW), false)
  t.equal(isInScope(token(id(NOW)), phones, NOW), false)
})

t.test(
  "a time by our clock is moved to the tenant's; one that the sender told is never moved back",
  async (t) => {
    const tenant = (offset: number) => ({ clockOffset: () => offset })
    const ours = aSignal()
    const told = aSignal({ occurredAt: T0 - 60_000 })
    t.equal(scopeOf(ours, tenant(-600_000), false).issuedUntil, T0 - 600_000 + 5_000)
    t.equal(scopeOf(ours, tenant(600_000), false).issuedUntil, T0 + 600_000 + 5_000)
    t.equal(scopeOf(told, tenant(-600_000), false).issuedUntil, T0 - 60_000 + 5_000)
    t.equal(scopeOf(told, tenant(600_000), false).issuedUntil, T0 - 60_000 + 600_000 + 5_000)
  },
)

t.test("Curfew's own user keeps what was issued after the signal, whatever the scope", async (t) => {
  const scope = scopeOf(aSignal({ scope: 'all' }), { clockOffset: () => 0 }, true)
  t.match(scope, { scope: 'issued-before', issuedUntil: T0 })
})
