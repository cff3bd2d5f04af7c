import t from 'tap'
import { decideToken, grantedAt, grantScopeOf, isInScope, scopeOf } from '../../src/revocation/scope.ts'
import { aSignal, T0 } from '../support/signals.ts'

const NOW = Date.parse('2024-07-31T08:00:00Z')
const GRANTED = Date.parse('2024-07-31T07:42:54Z')
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

t.test("the id of Qlik's own example holds the time of the grant", async (t) => {
  t.equal(grantedAt('66a9eafe249304d27e7f7000', NOW), GRANTED)
})

t.test('an id of another form, or with a time ahead of now, tells nothing', async (t) => {
  for (const other of ['TiQ8GPVr8qI714Lp5ChAAFFaU24MJy69', '', '66a9eafe', 'zz'.repeat(12), 'f'.repeat(24)]) {
    t.equal(grantedAt(other, NOW), null, other)
  }
})

t.test('issued-before keeps only what tells a later time', async (t) => {
  const scope = { scope: 'issued-before', deviceType: null, issuedUntil: GRANTED } as const
  t.equal(isInScope(token(id(GRANTED)), scope, NOW), true)
  t.equal(isInScope(token(id(GRANTED + 1_000)), scope, NOW), false)
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
    const tenant = (offset: number) => ({ wallOffsetMs: () => offset })
    const ours = aSignal()
    const told = aSignal({ occurredAt: T0 - 60_000 })
    t.equal(scopeOf(ours, tenant(-600_000), false).issuedUntil, T0 - 600_000 + 5_000)
    t.equal(scopeOf(ours, tenant(600_000), false).issuedUntil, T0 + 600_000 + 5_000)
    t.equal(scopeOf(told, tenant(-600_000), false).issuedUntil, T0 - 60_000 + 5_000)
    t.equal(scopeOf(told, tenant(600_000), false).issuedUntil, T0 - 60_000 + 600_000 + 5_000)
  },
)

t.test("Curfew's own user keeps what was issued after the signal, whatever the scope", async (t) => {
  const scope = scopeOf(aSignal({ scope: 'all' }), { wallOffsetMs: () => 0 }, true)
  t.match(scope, { scope: 'issued-before', issuedUntil: T0 })
})

const LATER = GRANTED + 1_000
/** Everything up to GRANTED is certain, and the second after it is not decided. */
const ROUGH = { earliest: GRANTED - 5_000, latest: LATER }

t.test('a token is decided by its device type, the scope, and the time of its grant', async (t) => {
  const before = { scope: 'issued-before', deviceType: null, reason: 'logout' } as const
  const all = { ...before, scope: 'all' } as const
  const phones = { ...before, deviceType: 'Phone' }
  for (const [signal, isOwnUser, at, deviceType, verdict, why] of [
    [before, false, GRANTED, null, 'revoke', 'granted-before'],
    [before, false, LATER, null, 'undecided', 'undecided'],
    [before, false, LATER + 1_000, null, 'keep', 'granted-after'],
    [before, false, null, null, 'revoke', 'no-grant-time'],
    [{ ...before, reason: 'session-expired' }, false, LATER, null, 'undecided', 'undecided'],
    [{ ...before, reason: 'security' }, false, LATER, null, 'revoke', 'undecided'],
    [{ ...before, reason: 'security' }, false, LATER + 1_000, null, 'keep', 'granted-after'],
    [all, false, LATER + 1_000, null, 'revoke', 'every-token'],
    [all, false, null, null, 'revoke', 'every-token'],
    [phones, false, GRANTED, 'Phone', 'revoke', 'granted-before'],
    [phones, false, GRANTED, 'Tablet', 'keep', 'other-device-type'],
    [phones, false, GRANTED, null, 'keep', 'other-device-type'],
    [{ ...all, deviceType: 'Phone' }, false, GRANTED, 'Tablet', 'keep', 'other-device-type'],
    [before, true, GRANTED - 5_000, null, 'revoke', 'granted-before'],
    [before, true, GRANTED - 4_000, null, 'undecided', 'undecided'],
    [before, true, LATER, null, 'undecided', 'undecided'],
    [{ ...all, reason: 'security' }, true, LATER, null, 'undecided', 'undecided'],
    [{ ...all, reason: 'security' }, true, LATER + 1_000, null, 'keep', 'granted-after'],
    [all, true, null, null, 'undecided', 'no-grant-time'],
  ] as const) {
    const scope = grantScopeOf(signal, ROUGH, isOwnUser)
    const tokenId = at === null ? 'opaque' : id(at)
    const name = JSON.stringify([signal, isOwnUser, at, deviceType])
    t.same(decideToken({ id: tokenId, deviceType }, scope, NOW), { verdict, why }, name)
  }
})

t.test('where the signal is known precisely, nothing is undecided', async (t) => {
  const scope = grantScopeOf(aSignal(), { earliest: GRANTED - 5_000, latest: GRANTED }, false)
  t.equal(decideToken(token(id(GRANTED)), scope, NOW).verdict, 'revoke')
  t.equal(decideToken(token(id(LATER)), scope, NOW).verdict, 'keep')
})
