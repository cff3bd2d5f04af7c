import t from 'tap'
import { decideToken, grantedAt, grantScopeOf } from '../../src/revocation/scope.ts'
import { aSignal } from '../support/signals.ts'

const NOW = Date.parse('2024-07-31T08:00:00Z')
const GRANTED = Date.parse('2024-07-31T07:42:54Z')
const id = (at: number) =>
  `${Math.floor(at / 1000)
    .toString(16)
    .padStart(8, '0')}249304d27e7f7000`
const token = (tokenId: string) => ({ id: tokenId, deviceType: null })

t.test("the id in Qlik's own example holds the time of the grant", async (t) => {
  t.equal(grantedAt('66a9eafe249304d27e7f7000', NOW), GRANTED)
})

t.test('an id in another form, or with a time ahead of now, holds no time', async (t) => {
  for (const other of ['TiQ8GPVr8qI714Lp5ChAAFFaU24MJy69', '', '66a9eafe', 'zz'.repeat(12), 'f'.repeat(24)]) {
    t.equal(grantedAt(other, NOW), null, other)
  }
})

const LATER = GRANTED + 1_000
/** Everything up to GRANTED is certain, and the second after it is undecided. */
const ROUGH = { earliest: GRANTED - 5_000, latest: LATER }

t.test('a token is judged by its device type, the scope, and the time of its grant', async (t) => {
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
    [before, true, GRANTED - 6_000, null, 'revoke', 'granted-before'],
    [before, true, GRANTED - 5_000, null, 'undecided', 'undecided'],
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

t.test('if the signal time is precise, nothing is undecided', async (t) => {
  const scope = grantScopeOf(aSignal(), { earliest: GRANTED - 5_000, latest: GRANTED }, false)
  t.equal(decideToken(token(id(GRANTED)), scope, NOW).verdict, 'revoke')
  t.equal(decideToken(token(id(LATER)), scope, NOW).verdict, 'keep')
  t.equal(decideToken(token('f'.repeat(24)), scope, NOW).why, 'no-grant-time', 'its digits are not a time')
})

t.test("tokens of Curfew's own user are undecided between both instants, however close", async (t) => {
  const limits = { earliest: GRANTED + 500, latest: LATER }
  const decided = (at: number) =>
    decideToken(token(id(at)), grantScopeOf(aSignal(), limits, true), NOW).verdict
  t.equal(decided(GRANTED - 1_000), 'revoke')
  t.equal(decided(GRANTED), 'undecided', 'it may have been granted after the signal, in the same second')
  t.equal(decided(LATER), 'undecided', 'it may have been granted before the signal')
  t.equal(decided(LATER + 1_000), 'keep')
})
