import { exportAudit } from '../../src/revocation/audit/export.ts'
import type { SessionSource } from '../../src/revocation/session.ts'
import type { UserReference } from '../../src/revocation/signal.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { entriesOf, storedEntries } from '../support/audit.ts'
import { verifyLines } from '../support/audit-export.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, claim, eachStore, existing, PROOF, room } from './stores.ts'

const OP: SessionSource = { tenant: 'default', source: 'op', isOnly: true }
const email = (value: string): UserReference => ({ kind: 'email', value })
const subject = (value: string): UserReference => ({ kind: 'subject', value })
const userId = (value: string): UserReference => ({ kind: 'userId', value })
const ANN = email('ann@example.com')

/** A revocation of this user that is settled. */
async function settled(store: RevocationStore, user: UserReference, resolved: string[], tenant = 'default') {
  await accept(store, { user, tenant })
  const [running] = await claim(store)
  await store.end(existing(running).id, aCompletion({ resolved }))
  return existing(running).id
}

/** The users whose names are anywhere in the revocations and in the audit trail. */
async function usersLeft(store: RevocationStore, tenant = 'default'): Promise<string[]> {
  const { items } = await store.list({ tenant, limit: 1_000 })
  const entries = (await entriesOf(store)).filter((entry) => entry.tenant === tenant)
  const personal = entries.flatMap((entry) => [
    entry.personal?.user?.value,
    ...(entry.personal?.qlikUsers ?? []),
  ])
  const all = [...items.flatMap(({ user, resolved }) => [user.value, ...resolved]), ...personal]
  return [...new Set(all.filter((value) => value !== undefined))].sort()
}

async function verified(store: RevocationStore) {
  let text = ''
  for await (const lines of exportAudit(store.audit)) text += lines
  return { text, ...(await verifyLines(text.split(/(?<=\n)/))) }
}

eachStore(async (t, opened) => {
  t.test('it erases a user under every name, and no one else', async (t) => {
    const store = await opened(t)
    const ids = [
      await settled(store, ANN, ['u1']),
      await settled(store, subject('s1'), ['u1']),
      await settled(store, userId('u1'), ['u1']),
      await settled(store, email('ANN@example.com'), []),
    ]
    const bob = [
      await settled(store, email('bob@example.com'), ['u2']),
      await settled(store, userId('u2'), ['u2']),
    ]
    await settled(store, ANN, ['u1'], 'other')
    const before = (await storedEntries(store.audit)).length
    const erased = await store.audit.erase({ tenant: 'default', user: subject('s1') }, T0 + 5, AN_ORIGIN)
    t.match(erased, { revocations: 4, sessions: 0, replays: 0, pending: 0 })
    t.ok(erased.entries >= 8, 'accepted and ended, each')
    t.same(await usersLeft(store), ['bob@example.com', 'u2'])
    t.same(await usersLeft(store, 'other'), ['ann@example.com', 'u1'])
    for (const id of ids) t.equal(await store.get(id), null)
    for (const id of bob) t.ok(await store.get(id))

    const { text, findings, erased: missing } = await verified(store)
    t.same([findings, missing], [0, erased.entries], 'the chains are still valid')
    t.notMatch(
      text
        .split('\n')
        .filter((line) => line.includes('"tenant":"default"'))
        .join(),
      /ann@|s1"|"u1"/i,
    )
    const last = (await entriesOf(store)).find(({ event }) => event === 'erased')
    const { entries, revocations, sessions, replays, notifications, pending } = erased
    t.match(last, { tenant: 'default', at: T0 + 5, by: { name: 'backend' }, personal: null })
    t.same(last?.details, { entries, revocations, sessions, replays, notifications, pending })
    t.equal((await storedEntries(store.audit)).length, before + 1)
    const again = await store.audit.erase({ tenant: 'default', user: subject('s1') }, T0 + 6)
    t.same(again, { entries: 0, revocations: 0, sessions: 0, replays: 0, notifications: 0, pending: 0 })
  })

  t.test('names are found in the audit trail, even if the revocations were deleted', async (t) => {
    const store = await opened(t)
    await settled(store, ANN, ['u1'])
    await settled(store, subject('s1'), ['u1'])
    await store.purge(T0 + 1, T0)
    await settled(store, userId('u1'), ['u1'])
    await store.audit.erase({ tenant: 'default', user: ANN }, T0)
    t.same(await usersLeft(store), [])
  })

  t.test('a name of several Qlik users brings their ids, but not their other names', async (t) => {
    const store = await opened(t)
    await settled(store, email('team@example.com'), ['u1', 'u2'])
    await settled(store, userId('u1'), ['u1'])
    await settled(store, subject('s1'), ['u1'])
    await store.audit.erase({ tenant: 'default', user: email('team@example.com') }, T0)
    t.same(await usersLeft(store), ['s1', 'u1'], 'the subject and the id that it resolved to')
    const { items } = await store.list({ limit: 10 })
    t.same(
      items.map(({ user }) => user.value),
      ['s1'],
    )
  })

  t.test('a user does not lead to others who share a name', async (t) => {
    const store = await opened(t)
    await settled(store, email('team@example.com'), ['u1', 'u2'])
    await settled(store, userId('u2'), ['u2'])
    await settled(store, subject('s1'), ['u1'])
    await store.audit.erase({ tenant: 'default', user: subject('s1') }, T0)
    t.same(await usersLeft(store), ['u2'])
  })

  t.test('a name that led to several Qlik users in different cases is shared, too', async (t) => {
    for (const start of [subject('s1'), email('TEAM@example.com')]) {
      const store = await opened(t)
      await settled(store, email('Team@example.com'), ['u1'])
      await settled(store, email('team@example.com'), ['u2'])
      await settled(store, email('TEAM@example.com'), ['u2'])
      await settled(store, subject('s1'), ['u1'])
      await settled(store, subject('s2'), ['u2'])
      await store.audit.erase({ tenant: 'default', user: start }, T0)
      const left = await usersLeft(store)
      t.ok(left.includes('s2'), `${start.value} does not lead to another name of u2: ${left}`)
      t.notOk(left.some((name) => /^team/i.test(name)))
    }
  })

  t.test('it erases sessions, and the entries that name only a session', async (t) => {
    const store = await opened(t)
    const session = (sid: string, user: UserReference) => ({ sid, user, expiresAt: T0 + 1_000 })
    const other = { ...OP, source: 'other' }
    await store.noteSession(OP, session('a', ANN), AN_ORIGIN)
    await store.noteSession(OP, session('b', ANN), AN_ORIGIN)
    await store.noteSession(OP, session('c', email('bob@example.com')), AN_ORIGIN)
    await store.noteSession(other, session('b', email('bob@example.com')), AN_ORIGIN)
    await store.forgetSession(OP, 'b', AN_ORIGIN)
    await store.forgetSession(other, 'b', AN_ORIGIN)
    const erased = await store.audit.erase({ tenant: 'default', user: email('Ann@example.com') }, T0)
    t.match(erased, { entries: 3, sessions: 1 })
    t.equal(await store.findSession(OP, 'a', T0), null)
    t.ok(await store.findSession(OP, 'c', T0))
    const sids = (await entriesOf(store)).flatMap(({ personal }) => personal?.sid ?? [])
    t.same(sids.sort(), ['b', 'b', 'c'], 'those of the other source')
    t.equal((await verified(store)).findings, 0)
  })

  t.test('stored answers are kept without the name, so repeated requests are still recognized', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: null }
    const signals = [aSignal({ user: ANN, deviceType: 'Phone' }), aSignal({ user: email('bob@example.com') })]
    const { revocations } = await store.accept(signals, replay, T0)
    t.match(await store.audit.erase({ tenant: 'other', user: ANN }, T0), { replays: 0 })
    t.match(await store.audit.erase({ tenant: 'default', user: ANN }, T0), { replays: 1, pending: 1 })
    const repeated = await store.accept(signals, replay, T0)
    t.equal(repeated.replayed, true)
    t.same(
      repeated.revocations.map(({ id }) => id),
      revocations.map(({ id }) => id),
    )
    t.same(
      repeated.revocations.map(({ user, deviceType }) => [user.value, deviceType]),
      [
        ['(erased)', null],
        ['bob@example.com', null],
      ],
    )
    t.match(await store.audit.erase({ tenant: 'default', user: ANN }, T0), { replays: 0 })
  })

  t.test('revocations that have not settled are pending, and erased once they have', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store, { user: ANN })
    t.match(await store.audit.erase({ tenant: 'default', user: ANN }, T0), {
      entries: 1,
      revocations: 0,
      pending: 1,
    })
    t.match(await store.get(id), { user: ANN }, 'it still has its user')
    const [running] = await claim(store)
    t.match(await store.audit.erase({ tenant: 'default', user: ANN }, T0), { revocations: 0, pending: 1 })
    await store.end(
      existing(running).id,
      aCompletion({ verified: false, verificationDueAt: T0 - 60_000, resolved: ['u1'] }),
    )
    t.match(await store.audit.erase({ tenant: 'default', user: userId('u1') }, T0), {
      revocations: 0,
      pending: 1,
    })
    t.ok(await store.get(id), 'its confirming listing is due')
    await store.claimConfirmations({ now: T0, room: room(0, 10, 0).logout })
    await store.confirm(id, { found: 'nothing', kept: 0, proof: PROOF, undecided: 0, resolved: ['u1'] })
    t.match(await store.audit.erase({ tenant: 'default', user: ANN }, T0), { revocations: 1, pending: 0 })
    t.same(await usersLeft(store), [])
  })

  t.test('more rows than fit in a transaction', async (t) => {
    const store = await opened(t)
    await settled(store, subject('s1'), ['u1'])
    const signals = Array.from({ length: 1_300 }, () => aSignal({ user: ANN }))
    await store.accept(signals.slice(0, 1_000), null, T0)
    await store.accept(signals.slice(1_000), null, T0)
    const [running] = await claim(store)
    await store.end(existing(running).id, aCompletion({ resolved: ['u1'] }))
    const { entries } = await store.audit.erase({ tenant: 'default', user: ANN }, T0)
    t.ok(entries > 1_300)
    t.same(await usersLeft(store), [])
    t.match(await verified(store), { findings: 0, erased: entries })
  })

  t.test('any text can be a name', async (t) => {
    const store = await opened(t)
    for (const value of ["it's", '{"a":1}', '\\', '"', '👤', 'a/b?c=%', '%', '_']) {
      await settled(store, subject(value), ['u1'])
      await store.noteSession(OP, { sid: value, user: subject(value), expiresAt: T0 + 1_000 }, AN_ORIGIN)
      await store.forgetSession(OP, value, AN_ORIGIN)
      await store.audit.erase({ tenant: 'default', user: subject(value.toUpperCase()) }, T0)
      t.same(await usersLeft(store), [], value)
      t.notOk(
        (await entriesOf(store)).some(({ personal }) => personal),
        value,
      )
    }
  })
})
