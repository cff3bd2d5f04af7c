import type { AuditEvent } from '../../src/revocation/audit/entry.ts'
import { operatorEvent } from '../../src/revocation/audit/events.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { brokenLink, entriesOf, read, storedEntries } from '../support/audit.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, aFailure, claim, eachStore, PROOF, TOKENS, waiting } from './stores.ts'

const BY = { id: 'a1', kind: 'api-key', name: 'backend' }
const NAMED = { user: { kind: 'userId', value: 'u1' } } as const
const SOURCE = { tenant: 'default', source: 'op', isOnly: true }
const SESSION = { sid: 's1', user: NAMED.user, expiresAt: T0 + 1_000 }
const DAY = 24 * 60 * 60_000
const anEvent = (): AuditEvent => operatorEvent('config-reloaded', { sources: ['op'] }, AN_ORIGIN)

/** Ends the only queued revocation. */
async function end(store: RevocationStore, ending: Parameters<RevocationStore['end']>[1]): Promise<string> {
  const [running] = await claim(store)
  if (!running) throw new Error('expected a revocation')
  await store.end(running.id, ending)
  return running.id
}

const eventsOf = async (store: RevocationStore) => (await entriesOf(store)).map(({ event }) => event)

eachStore(async (t, opened) => {
  t.test('each accepted signal is recorded with its sender; repetitions are not', async (t) => {
    const store = await opened(t)
    const replay = { key: 'k', fingerprint: null }
    const signals = [aSignal({ deviceType: 'Phone' }), aSignal({ user: { kind: 'email', value: 'a@b.c' } })]
    const { revocations } = await store.accept(signals, replay, T0, AN_ORIGIN)
    await store.accept(signals, replay, T0 + 1, AN_ORIGIN)
    await store.accept([aSignal({ deviceType: 'Phone', reason: 'security', scope: 'all' })], null, T0 + 2)
    const details = { reason: 'logout', scope: 'issued-before', source: 'logout-hook', occurredAt: T0 }
    const sent = { by: BY, address: '127.0.0.1', tenant: 'default', details, at: T0 }
    const [first, second] = revocations
    const entries = (await entriesOf(store)).sort((one, other) => one.sequence - other.sequence)
    t.match(entries, [
      {
        ...sent,
        event: 'signal-accepted',
        revocation: first?.id,
        personal: { ...NAMED, deviceType: 'Phone' },
      },
      { ...sent, event: 'signal-accepted', revocation: second?.id, personal: { user: { kind: 'email' } } },
      {
        ...{ event: 'signal-joined', revocation: first?.id, by: null, address: null, at: T0 + 2 },
        details: { reason: 'security', scope: 'all' },
      },
    ])
    t.notOk(
      JSON.stringify(await storedEntries(store.audit).then((all) => all.map(({ text }) => text))).includes(
        'u1',
      ),
    )
  })

  t.test('held signals are recorded, and what operators decide about them', async (t) => {
    const store = await opened(t, { users: 1, windowMs: 600_000 })
    const send = async (userId: string, now: number) =>
      (await store.accept([aSignal({ userId, acceptedAt: now })], null, now, AN_ORIGIN)).revocations[0]?.id ??
      ''
    const queued = await send('u1', T0)
    const [held, cancelled, joining] = [
      await send('u2', T0 + 1),
      await send('u3', T0 + 2),
      await send('u1', T0 + 3),
    ]
    await send('u2', T0 + 4)
    const operator = { ...AN_ORIGIN, name: 'operator', id: 'o1' }
    await store.release({ ids: [held, joining], limit: 10 }, T0 + 5, operator)
    await store.cancel({ limit: 10 }, T0 + 6, operator)
    const entries = await entriesOf(store)
    const of = (event: string) =>
      entries
        .filter((entry) => entry.event === event)
        .map(({ at, revocation, by, details }) => [at - T0, revocation, by?.name, details.joined ?? null])
        .sort(
          (one, other) => Number(one[0]) - Number(other[0]) || String(one[3]).localeCompare(String(other[3])),
        )
    t.same(of('signal-accepted'), [[0, queued, 'backend', null]])
    t.same(of('held'), [
      [1, held, 'backend', null],
      [2, cancelled, 'backend', null],
      [3, joining, 'backend', null],
      [4, held, 'backend', null],
    ])
    const released = [
      [5, held, 'operator', null],
      [5, joining, 'operator', queued],
    ]
    t.same(of('released').map(String).sort(), released.map(String).sort())
    t.same(of('cancelled'), [[6, cancelled, 'operator', null]])
    t.match(entries.find(({ event }) => event === 'held')?.personal, { user: { kind: 'userId' } })
  })

  t.test('signals of one request that join each other are recorded one by one', async (t) => {
    const store = await opened(t)
    await store.accept([aSignal(), aSignal()], null, T0, AN_ORIGIN)
    t.same((await eventsOf(store)).sort(), ['signal-accepted', 'signal-joined'])
  })

  t.test('a request that is not accepted leaves no entry, and the chain continues', async (t) => {
    const store = await opened(t)
    const unstorable = { ...aSignal({ userId: 'b' }), tenant: null as never }
    const results = await Promise.allSettled([
      store.accept([aSignal({ userId: 'a' })], null, T0),
      store.accept([aSignal({ userId: 'c' }), unstorable], null, T0),
      store.accept([aSignal({ userId: 'd' })], null, T0),
    ])
    t.same(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    await accept(store, { userId: 'e' })
    const users = (await entriesOf(store)).map(({ personal }) => personal?.user?.value)
    t.same(users.sort(), ['a', 'd', 'e'])
    t.equal(brokenLink(await storedEntries(store.audit)), null)
  })

  t.test(
    'the end of a revocation is recorded with its counts, and with its proof once it is verified',
    async (t) => {
      const store = await opened(t)
      await accept(store)
      const id = await end(store, aCompletion({ verificationDueAt: T0 }))
      t.match((await entriesOf(store)).slice(1), [
        {
          event: 'revocation-ended',
          revocation: id,
          by: null,
          details: { status: 'completed', outcome: 'revoked', tokens: TOKENS, attempts: 1, error: null },
          personal: { ...NAMED, qlikUsers: ['u1'] },
        },
      ])
      await store.claimConfirmations({ now: T0, room: { total: 9, perTenant: 9, exceptions: new Map() } })
      await store.confirm(id, {
        found: 'nothing',
        proof: PROOF,
        kept: 1,
        undecided: 0,
        resolved: ['u1', 'u2'],
      })
      const verified = (await entriesOf(store)).find(({ event }) => event === 'revocation-verified')
      t.match(verified, {
        revocation: id,
        details: { proof: PROOF, kept: 1 },
        personal: { qlikUsers: ['u1', 'u2'] },
      })
      t.equal((await entriesOf(store)).length, 3)
    },
  )

  t.test('a failed and an unverified revocation are recorded as such', async (t) => {
    const store = await opened(t)
    await accept(store)
    await end(store, aFailure())
    await accept(store)
    await end(store, aCompletion({ verified: false, completedAt: T0 + 1 }))
    const events = await entriesOf(store)
    const failed = events.find(({ details }) => details.status === 'failed')
    t.match(failed?.details, { error: 'CURFEW_QLIK_UNAVAILABLE' })
    t.match(events.find(({ event }) => event === 'revocation-unverified')?.details, { proof: null })
    t.equal(events.length, 5)
  })

  t.test('what a run reports is recorded even if the run is lost', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    const [running] = await claim(store)
    if (!running) throw new Error('expected a revocation')
    await store.progress(id, TOKENS, [anEvent()])
    await store.putBack(id, waiting(running, null), [anEvent()])
    await store.progress(id, TOKENS, [anEvent()])
    t.equal(await store.end(id, aCompletion(), [anEvent()]), false)
    t.equal((await eventsOf(store)).filter((event) => event === 'config-reloaded').length, 4)
  })

  t.test('retries and sessions are recorded with their sender', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    await store.retry(id, T0 + 1, AN_ORIGIN)
    await store.noteSession(SOURCE, SESSION, AN_ORIGIN)
    await store.forgetSession(SOURCE, 's1', AN_ORIGIN)
    const entries = await entriesOf(store)
    const of = (name: string) => entries.find(({ event }) => event === name)
    t.match(of('retried'), { by: BY, revocation: id, details: { change: 'hastened' }, personal: NAMED })
    const details = { source: 'op', expiresAt: SESSION.expiresAt }
    t.match(of('session-recorded'), { by: BY, tenant: 'default', details, personal: { sid: 's1', ...NAMED } })
    t.match(of('session-deleted'), { by: BY, personal: { sid: 's1' } })
  })

  t.test(
    'concurrent writes form unbroken chains, each of which begins with the heads of the others',
    async (t) => {
      const store = await opened(t)
      for (let round = 0; round < 5; round += 1) {
        await Promise.all([
          ...Array.from({ length: 20 }, (_, index) => accept(store, { userId: `${round} ${index}` })),
          ...Array.from({ length: 4 }, () => store.audit.record([anEvent(), anEvent()], T0)),
          ...Array.from({ length: 4 }, (_, index) =>
            store.noteSession(SOURCE, { ...SESSION, sid: `${index}` }),
          ),
        ])
      }
      const all = await storedEntries(store.audit)
      t.equal(brokenLink(all), null)
      t.equal((await entriesOf(store)).length, 5 * (20 + 8 + 4))
      const first = all.filter(({ sequence }) => sequence === 1).map(read)
      t.ok(first.every(({ event }) => event === 'chain-started'))
      const hashes = new Map(all.map(({ writer, sequence, hash }) => [`${writer} ${sequence}`, hash]))
      for (const { writer, details } of first) {
        for (const head of details.heads as { writer: string; sequence: number; hash: string }[]) {
          t.not(head.writer, writer)
          t.equal(hashes.get(`${head.writer} ${head.sequence}`), head.hash)
        }
      }
    },
  )

  t.test('the listings and waits of a run are recorded with its end, and only there', async (t) => {
    const store = await opened(t)
    await accept(store)
    const history = {
      listings: [{ at: T0, pages: 1, found: 2, kept: 0, isComplete: true }],
      waits: [{ what: 'budget' as const, at: T0, ms: 2_000 }],
    }
    const id = await end(store, { ...aFailure(), history })
    const entries = await entriesOf(store)
    t.match(entries.find(({ event }) => event === 'revocation-ended')?.details, history)
    t.notOk('history' in ((await store.get(id)) ?? {}))
  })

  t.test('old entries are deleted from the beginning of the chains, which leaves checkpoints', async (t) => {
    const store = await opened(t)
    for (let day = 0; day < 4; day += 1) await store.audit.record([anEvent(), anEvent()], T0 + day * DAY)
    const before = await storedEntries(store.audit)
    t.equal(await store.audit.purge(T0 + 2 * DAY, T0 + 4 * DAY), 5, 'with the first entry of the chain')
    t.equal(await store.audit.purge(T0 + 2 * DAY, T0 + 4 * DAY), 0)
    const after = await storedEntries(store.audit)
    const last = after.map(read).at(-1)
    const [writer, sequence, hash] = [before[4]?.writer, before[4]?.sequence, before[4]?.hash]
    t.match(last, {
      event: 'entries-purged',
      by: null,
      details: { checkpoints: [{ writer, sequence, hash }] },
    })
    t.equal(brokenLink(after, [String(hash)]), null)
    t.equal(after[0]?.sequence, 6)
    t.equal(await store.audit.purge(T0 + 3 * DAY, T0 + 5 * DAY), 2)
    t.equal(await store.audit.purge(T0 + 6 * DAY, T0 + 6 * DAY), 4)
    t.match(
      (await storedEntries(store.audit)).map(read),
      [{ event: 'entries-purged' }],
      'the last entry says so',
    )
  })
})
