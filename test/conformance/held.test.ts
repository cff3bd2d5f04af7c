import type { Test } from 'tap'
import type { Origin, SenderSelection } from '../../src/revocation/origin.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { Signal } from '../../src/revocation/signal.ts'
import type { Accepted, RevocationStore } from '../../src/revocation/store.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, claim, eachStore, existing, type Opened } from './stores.ts'

const LIMITS = { users: 2, windowMs: 600_000 }
const IDP: Origin = { kind: 'source', name: 'idp', id: 'idp', address: null }
const OPERATOR: Origin = { kind: 'api-key', name: 'operator', id: 'o1', address: null }

type Different = Partial<Signal> & { userId?: string }

/** A store whose brake holds everything that `IDP` sends. */
async function braked(t: Test, opened: Opened) {
  const store = await opened(t, LIMITS)
  const send = async (different: Different, origin = IDP, now = T0): Promise<Revocation> => {
    const { revocations } = await store.accept(
      [aSignal({ acceptedAt: now, ...different })],
      null,
      now,
      origin,
    )
    return existing(revocations[0])
  }
  for (const userId of ['first', 'second', 'third']) await send({ userId })
  for (const one of await claim(store)) await store.end(one.id, aCompletion())
  await store.cancel({ limit: 10 }, T0)
  return { store, send }
}

const statusOf = async (store: RevocationStore, { id }: Revocation) => (await store.get(id))?.status
const statuses = ({ revocations }: Accepted) => revocations.map(({ status }) => status)

eachStore(async (t, opened) => {
  t.test('a sender that names more users than the limit is held, and nothing of it is claimed', async (t) => {
    const store = await opened(t, LIMITS)
    const all = ['a', 'b', 'c', 'a'].map((userId) => aSignal({ userId }))
    const accepted = await store.accept(all, null, T0, IDP)
    t.match(accepted, { replayed: false, isBraked: true })
    t.same(statuses(accepted), ['queued', 'queued', 'held', 'held'])
    const [, , third] = accepted.revocations
    t.match(third, { status: 'held', verified: false, startedAt: null, completedAt: null })
    t.match(third?.hold, { sender: { kind: 'source', name: 'idp' }, at: T0, decision: null })
    t.strictSame(await store.get(String(third?.id)), third)
    t.same((await claim(store)).map(({ user }) => user.value).sort(), ['a', 'b'])
    t.same(await claim(store, T0 + 86_400_000), [])
    t.same((await store.list({ status: 'held', limit: 10 })).items.length, 2)
    const held = { tenant: 'default', status: 'held', count: 2 }
    t.same(
      (await store.backlog()).filter(({ status }) => status === 'held'),
      [held],
    )
  })

  t.test('keys without a name are told apart by their ids, those with one by their names', async (t) => {
    const store = await opened(t, LIMITS)
    const send = async (name: string, id: string) => {
      const origin: Origin = { kind: 'api-key', name, id, address: null }
      const signals = ['a', 'b', 'c'].map((userId) => aSignal({ userId }))
      const { revocations } = await store.accept(signals, null, T0, origin)
      return existing(revocations[2])
    }
    // A reload gives the position to another key, and the name to a new key.
    const [first, second] = [await send('API_KEYS[0]', 'k1'), await send('API_KEYS[0]', 'k2')]
    const [old, rotated] = [await send('crm', 'k3'), await send('crm', 'k4')]
    t.match(first.hold, { sender: { kind: 'api-key', name: 'API_KEYS[0]', id: 'k1' } })
    t.not(first.id, second.id)
    t.equal(old.id, rotated.id)
    const cancel = (sender: SenderSelection) => store.cancel({ sender, limit: 10 }, T0)
    t.match((await cancel({ kind: 'api-key', name: 'API_KEYS[0]', id: 'k2' })).revocations, [
      { id: second.id },
    ])
    t.equal(await statusOf(store, first), 'held')
    t.match((await cancel({ kind: 'api-key', name: 'crm' })).revocations, [{ id: old.id }])
  })

  t.test('a user counts once per sender, whatever repeats the name', async (t) => {
    const store = await opened(t, LIMITS)
    const replay = { key: 'k', fingerprint: null }
    for (let time = 0; time < 3; time += 1) {
      const again = await store.accept([aSignal({ userId: 'a' })], replay, T0, IDP)
      t.same([again.replayed, again.isBraked], [time > 0, undefined])
    }
    const signals = [
      aSignal({ userId: 'a', deviceType: 'Phone' }),
      aSignal({ userId: 'b' }),
      aSignal({ userId: 'a' }),
    ]
    t.same(statuses(await store.accept(signals, null, T0, IDP)), ['queued', 'queued', 'queued'])
    const other = { ...IDP, id: 'other', name: 'other' }
    const same = { ...OPERATOR, id: IDP.id, name: IDP.name }
    for (const origin of [other, same, undefined])
      t.same(statuses(await store.accept([aSignal({ userId: 'c' })], null, T0, origin)), ['queued'])
    const third = await store.accept([aSignal({ userId: 'd', tenant: 'other' })], null, T0, IDP)
    t.same(statuses(third), ['held'], 'users of all tenants count')
  })

  t.test(
    'a held sender is free again when it names no more users than the limit within a window',
    async (t) => {
      const { send } = await braked(t, opened)
      t.equal((await send({ userId: 'new' }, IDP, T0 + LIMITS.windowMs - 1)).status, 'held')
      t.equal((await send({ userId: 'newer' }, IDP, T0 + LIMITS.windowMs)).status, 'queued')
      t.equal(
        (await send({ userId: 'newest' }, IDP, T0 + LIMITS.windowMs)).status,
        'held',
        'held users count',
      )
    },
  )

  t.test('the configuration exempts a sender; its reason does not', async (t) => {
    const { send } = await braked(t, opened)
    t.equal((await send({ userId: 'x', reason: 'security', scope: 'all' })).status, 'held')
    t.equal((await send({ userId: 'x' }, { ...IDP, massRevocation: true })).status, 'queued')
  })

  t.test('further signals of the sender join what is held; those of others run at once', async (t) => {
    const { store, send } = await braked(t, opened)
    const held = await send({ userId: 'ann' })
    const wider = await send({ userId: 'ann', reason: 'security', scope: 'all', occurredAt: T0 + 5 })
    t.match(wider, { id: held.id, status: 'held', reason: 'security', scope: 'all', occurredAt: T0 + 5 })
    t.not((await send({ userId: 'ann', deviceType: 'Phone' })).id, held.id)
    const queued = await send({ userId: 'ann' }, OPERATOR)
    t.match(queued, { status: 'queued', scope: 'issued-before', hold: null })
    t.equal((await send({ userId: 'ann', reason: 'security', scope: 'all' })).id, held.id)
    t.match(await store.get(queued.id), { status: 'queued', scope: 'issued-before', reason: 'logout' })
    t.same(
      (await claim(store)).map(({ id }) => id),
      [queued.id],
    )
    t.equal(await statusOf(store, held), 'held')
  })

  t.test('a repeated request returns the held revocation', async (t) => {
    const { store } = await braked(t, opened)
    const replay = { key: 'k', fingerprint: 'f' }
    const first = await store.accept([aSignal({ userId: 'ann' })], replay, T0, IDP)
    const again = await store.accept([aSignal({ userId: 'ann' })], replay, T0, IDP)
    t.strictSame(again, { revocations: first.revocations, replayed: true })
  })

  t.test('a released revocation is queued with the time of its signal', async (t) => {
    const { store, send } = await braked(t, opened)
    const held = await send({ userId: 'ann', occurredAt: T0 - 5 })
    const later = T0 + 86_400_000 * 3
    const { revocations, joined } = await store.release({ limit: 10 }, later, OPERATOR)
    t.equal(joined, 0)
    const decision = { what: 'released', by: 'operator', at: later }
    t.match(revocations, [
      { id: held.id, status: 'queued', occurredAt: T0 - 5, dueAt: later, failingSince: null },
    ])
    t.match(revocations[0]?.hold, { sender: { name: 'idp' }, at: T0, decision })
    t.match(await claim(store, later), [{ id: held.id, status: 'running', signalTime: held.signalTime }])
    await store.end(held.id, aCompletion())
    t.match(await store.get(held.id), { status: 'completed', verified: true, hold: { decision } })
  })

  t.test('a released revocation joins the one queued for its user', async (t) => {
    const { store, send } = await braked(t, opened)
    const held = await send({ userId: 'ann', reason: 'security', scope: 'all' })
    const queued = await send({ userId: 'ann' }, OPERATOR)
    const { revocations, joined } = await store.release({ limit: 10 }, T0, OPERATOR)
    t.equal(joined, 1)
    t.match(revocations, [
      { id: queued.id, reason: 'security', scope: 'all', hold: { sender: { name: 'idp' } } },
    ])
    t.match(await store.get(held.id), { id: queued.id, hold: { decision: { what: 'released' } } })
    t.same(
      (await claim(store)).map(({ id }) => id),
      [queued.id],
    )
  })

  t.test('two that are held for one user become one', async (t) => {
    const { store, send } = await braked(t, opened)
    const other = { ...IDP, name: 'other', id: 'other' }
    const one = await send({ userId: 'ann' })
    for (const userId of ['1', '2']) await send({ userId }, other)
    const two = await send({ userId: 'ann', scope: 'all' }, other, T0 + 1)
    t.not(two.id, one.id)
    t.equal(two.status, 'held')
    t.match(await store.release({ ids: [one.id, two.id], limit: 10 }, T0), { joined: 1 })
    t.match(await store.get(two.id), { id: one.id, status: 'queued', scope: 'all' })
  })

  t.test('one released while its user is running waits for that run', async (t) => {
    const { store, send } = await braked(t, opened)
    const running = await send({ userId: 'ann' }, OPERATOR)
    await claim(store)
    const held = await send({ userId: 'ann' })
    await store.release({ limit: 10 }, T0)
    t.same(await claim(store), [])
    await store.end(running.id, aCompletion())
    t.match(await claim(store), [{ id: held.id }])
  })

  t.test('a cancelled revocation has ended, is never verified and cannot be retried', async (t) => {
    const { store, send } = await braked(t, opened)
    const held = await send({ userId: 'ann' })
    await t.rejects(store.retry(held.id, T0), { code: 'CURFEW_REVOCATION_HELD' })
    const { revocations, joined } = await store.cancel({ ids: [held.id], limit: 10 }, T0 + 1, OPERATOR)
    t.equal(joined, 0)
    t.match(revocations, [{ id: held.id, status: 'cancelled', verified: false, completedAt: T0 + 1 }])
    t.match(await store.get(held.id), {
      hold: { decision: { what: 'cancelled', by: 'operator', at: T0 + 1 } },
    })
    await t.rejects(store.retry(held.id, T0), { code: 'CURFEW_NOT_RETRYABLE' })
    t.same(await claim(store), [])
    t.match(
      await store.claimConfirmations({ now: T0, room: { total: 9, perTenant: 9, exceptions: new Map() } }),
      {
        claimed: [],
      },
    )
    t.same(await store.release({ limit: 10 }, T0), { revocations: [], joined: 0, more: false })
    t.same(
      (await store.backlog()).filter(({ status }) => status !== 'queued'),
      [],
    )
    t.equal((await send({ userId: 'ann' })).status, 'held', 'the next signal is a new one')
  })

  t.test('held revocations are selected by id, sender and tenant, oldest first', async (t) => {
    const { store, send } = await braked(t, opened)
    const other = { ...OPERATOR, name: 'idp' }
    const ids: Record<string, string> = {}
    ids.a = (await send({ userId: 'a' })).id
    for (const [index, userId] of ['b', 'c'].entries())
      ids[userId] = (await send({ userId, tenant: 'acme' }, IDP, T0 + index)).id
    for (const userId of ['1', '2', 'd']) ids[userId] = (await send({ userId }, other)).id
    const users = async (query: Parameters<typeof store.release>[0]) => {
      const { items } = await store.list({ status: 'held', limit: 100 })
      const { revocations } = await store.cancel(query, T0)
      return [items.length, ...revocations.map(({ user }) => user.value).sort()]
    }
    t.same(await users({ tenants: [], limit: 10 }), [4])
    t.same(
      await users({ ids: ['no id', String(ids.a), String(ids['1'])], tenants: ['acme'], limit: 10 }),
      [4],
    )
    t.same(await users({ ids: ['no id', String(ids.a), String(ids['1'])], limit: 10 }), [4, 'a'])
    t.same(await users({ sender: other, limit: 10 }), [3, 'd'])
    t.same(await users({ tenants: ['acme'], limit: 1 }), [2, 'b'])
    t.same(await users({ sender: IDP, limit: 10 }), [1, 'c'])
  })

  t.test('retention deletes cancelled revocations, and never held ones', async (t) => {
    const { store, send } = await braked(t, opened)
    const [held, cancelled] = [await send({ userId: 'ann' }), await send({ userId: 'ben' })]
    await store.cancel({ ids: [cancelled.id], limit: 10 }, T0)
    await store.purge(T0 + 1, T0 + 86_400_000)
    t.equal(await store.get(cancelled.id), null)
    t.equal(await statusOf(store, held), 'held')
  })

  t.test('the time of a held revocation can be measured later', async (t) => {
    const { store, send } = await braked(t, opened)
    const { id } = await send({ userId: 'ann' })
    const measured = { tenant: { earliest: T0, latest: T0 + 7 }, open: null, unlinked: false }
    await store.measure([id], () => measured)
    t.match(await store.get(id), { status: 'held', signalTime: measured })
  })

  t.test('without a limit, and without an origin, nothing is held', async (t) => {
    const store = await opened(t)
    const many = Array.from({ length: 100 }, (_, index) => aSignal({ userId: `u${index}` }))
    t.same(new Set(statuses(await store.accept(many, null, T0, AN_ORIGIN))), new Set(['queued']))
    t.equal((await accept(store)).status, 'queued')
  })

  t.test('concurrent requests, releases and cancellations lose nothing', async (t) => {
    const { store, send } = await braked(t, opened)
    const users = Array.from({ length: 12 }, (_, index) => `u${index}`)
    const work = users.flatMap((userId) => [
      send({ userId }),
      send({ userId }, OPERATOR),
      store.release({ limit: 3 }, T0),
      send({ userId, scope: 'all' }),
      store.cancel({ limit: 1 }, T0),
    ])
    const ids = (await Promise.all(work)).flatMap((one) => ('id' in one ? [one.id] : []))
    await store.release({ limit: 100 }, T0)
    for (const id of ids) t.match(await store.get(id), { status: /queued|cancelled/ })
    const { items } = await store.list({ status: 'queued', limit: 100 })
    t.equal(new Set(items.map(({ user }) => user.value)).size, items.length)
  })
})
