import { RevocationData } from '../../src/revocation/notification.ts'
import {
  DELIVERED_KEPT_MS,
  GIVE_UP_NOTIFICATION_AFTER_MS,
  MOST_COUNTED,
  NOTIFICATION_LEASE_MS,
} from '../../src/revocation/store/notification-store.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { aReceiver, outboxFor } from '../support/receivers.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, aFailure, claim, eachStore, existing, PROOF, room } from './stores.ts'

const BRAKE = { users: 1, windowMs: 60_000 }
const GRACE_MS = 10 * NOTIFICATION_LEASE_MS

/** Type, receiver and user of each notification, in the order of the changes. */
async function allOf(store: RevocationStore): Promise<string[]> {
  const { items } = await store.notifications.list({ limit: 1_000 })
  return items.map(({ type, receiver }) => `${type} ${receiver}`).sort()
}

/** Ends a new revocation of this user. */
async function ended(store: RevocationStore, ending = aCompletion(), userId = 'u1') {
  await accept(store, { userId })
  const [running] = await claim(store)
  await store.end(existing(running).id, ending)
  return existing(running).id
}

eachStore(async (t, opened) => {
  t.test('a change adds a notification for each receiver that wants it', async (t) => {
    const outbox = outboxFor(
      aReceiver(),
      aReceiver({ name: 'failures', events: ['revocation.failed'] }),
      aReceiver({ name: 'others', tenants: ['other'] }),
      aReceiver({ name: 'named', onlyIfNamed: true }),
    )
    let commits = 0
    outbox.onCommitted = () => {
      commits += 1
    }
    const store = await opened(t, undefined, outbox)
    await accept(store, { userId: 'u1', notify: ['named'] })
    t.same(await allOf(store), [], 'none for an accepted signal')
    await accept(store, { userId: 'u1' })
    const [running] = await claim(store)
    await store.end(existing(running).id, aCompletion({ verificationDueAt: T0 + 1_000 }))
    t.same(await allOf(store), ['revocation.completed named', 'revocation.completed siem'])
    t.equal(commits, 1)
    await store.claimConfirmations({ now: T0 + 1_000, room: room(0, 10, 0).logout })
    const found = { kept: 0, proof: PROOF, undecided: 0, resolved: ['u1'] }
    await store.confirm(existing(running).id, { found: 'nothing', ...found })
    t.same((await allOf(store)).slice(2), ['revocation.verified named', 'revocation.verified siem'])
    await ended(store, aFailure(), 'u2')
    t.same((await allOf(store)).slice(2, 4), ['revocation.failed failures', 'revocation.failed siem'])
  })

  t.test('it contains the revocation as the change left it', async (t) => {
    const store = await opened(t, undefined, outboxFor())
    const id = await ended(store)
    await store.retry(id, T0 + 1).catch(() => {})
    const [first, second] = await store.notifications.claim('siem', T0, 10)
    const types = [first?.type, second?.type].sort()
    t.same(types, ['revocation.completed', 'revocation.verified'])
    const { data, error } = RevocationData.safeParse(JSON.parse(existing(first).data))
    t.equal(error, undefined)
    t.match(data, { id, tenant: 'default', user: { userId: 'u1' }, status: 'completed', verified: true })
    t.match(first, { revocation: id, tenant: 'default', at: T0, attempts: 1, status: 'pending' })
  })

  t.test('a held revocation adds one, however many signals join it', async (t) => {
    const store = await opened(t, BRAKE, outboxFor())
    for (const userId of ['u1', 'u2', 'u2']) await store.accept([aSignal({ userId })], null, T0, AN_ORIGIN)
    const { items } = await store.notifications.list({ limit: 10 })
    t.match(items, [{ type: 'revocation.held' }])
    t.equal(items.length, 1)
  })

  t.test('without receivers nothing is added, and a replaced list applies to the next change', async (t) => {
    const outbox = outboxFor()
    outbox.replace([])
    const store = await opened(t, undefined, outbox)
    await ended(store)
    t.same(await allOf(store), [])
    outbox.replace([aReceiver({ events: ['revocation.completed'] })])
    await ended(store, aCompletion(), 'u2')
    t.same(await allOf(store), ['revocation.completed siem'])
  })

  t.test('a claimed one is due again after the lease, and a late report has no effect', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    await ended(store)
    const [first] = await store.notifications.claim('siem', T0, 10)
    t.same(await store.notifications.claim('siem', T0 + NOTIFICATION_LEASE_MS - 1, 10), [])
    const [second] = await store.notifications.claim('siem', T0 + NOTIFICATION_LEASE_MS, 10)
    t.match(second, { id: first?.id, attempts: 2 })
    const at = T0 + NOTIFICATION_LEASE_MS
    await store.notifications.report(existing(first), { status: 'delivered', at, httpStatus: 200 })
    t.match(await store.notifications.get(existing(first).id), { status: 'pending' })
    await store.notifications.report(existing(second), { status: 'delivered', at, httpStatus: 204 })
    const delivered = { status: 'delivered', httpStatus: 204, endedAt: at, dueAt: null, code: null }
    t.match(await store.notifications.get(existing(first).id), delivered)
    t.equal(await store.notifications.get('no-such-id'), null)
  })

  t.test('two processes claim different ones', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    for (const userId of ['u1', 'u2', 'u3', 'u4']) await ended(store, aCompletion(), userId)
    const claims = await Promise.all([1, 2, 3].map(() => store.notifications.claim('siem', T0, 2)))
    const ids = claims.flat().map(({ id }) => id)
    t.equal(new Set(ids).size, ids.length)
    t.ok(ids.length >= 2, 'skipped rows are claimed later')
    const rest = await store.notifications.claim('siem', T0, 10)
    t.equal(ids.length + rest.length, 4)
  })

  t.test('a failed attempt is retried, and given up after three days', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    await ended(store)
    const [claimed] = await store.notifications.claim('siem', T0, 10)
    const failure = { status: 'retry', at: T0, httpStatus: 500, code: 'CURFEW_RECEIVER_STATUS' } as const
    await store.notifications.report(existing(claimed), { ...failure, dueAt: T0 + 5_000 })
    t.match(await store.notifications.get(existing(claimed).id), {
      ...{ status: 'pending', code: 'CURFEW_RECEIVER_STATUS', httpStatus: 500, dueAt: T0 + 5_000 },
    })
    t.same(await store.notifications.backlog(), [
      { receiver: 'siem', pending: 1, failed: 0, oldestPendingAt: T0 },
    ])
    const late = T0 + GIVE_UP_NOTIFICATION_AFTER_MS + GRACE_MS
    t.same(await store.notifications.giveUp(late - 1, 'CURFEW_RECEIVER_UNAVAILABLE'), [])
    t.same(await store.notifications.giveUp(late, 'CURFEW_RECEIVER_UNAVAILABLE'), [
      { receiver: 'siem', type: 'revocation.completed' },
    ])
    t.match(await store.notifications.get(existing(claimed).id), {
      ...{ status: 'failed', code: 'CURFEW_RECEIVER_STATUS', endedAt: late },
    })
    t.same(await store.notifications.backlog(), [
      { receiver: 'siem', pending: 0, failed: 1, oldestPendingAt: null },
    ])
  })

  t.test('failed ones are sent again for another three days', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    for (const userId of ['u1', 'u2']) await ended(store, aCompletion(), userId)
    for (const one of await store.notifications.claim('siem', T0, 10))
      await store.notifications.report(one, { status: 'failed', at: T0, httpStatus: null, code: 'CURFEW_X' })
    const failed = { receiver: 'siem', since: T0 }
    t.equal(await store.notifications.countFailed(failed), 2)
    t.equal(await store.notifications.countFailed({ ...failed, since: T0 + 1 }), 0)
    t.equal(await store.notifications.redeliverFailed({ ...failed, receiver: 'other' }, T0 + 9, 9), 0)
    t.equal(await store.notifications.redeliverFailed(failed, T0 + 9, 1), 1)
    t.equal(await store.notifications.redeliverFailed(failed, T0 + 9, 9), 1)
    t.match(await store.notifications.backlog(), [{ pending: 2, failed: 0, oldestPendingAt: T0 + 9 }])
    const again = await store.notifications.claim('siem', T0 + 9, 10)
    const expected = {
      attempts: 1,
      code: null,
      endedAt: null,
      giveUpAt: T0 + 9 + GIVE_UP_NOTIFICATION_AFTER_MS,
    }
    t.match(again, [expected, expected])
    const { id } = existing(again[0])
    t.equal(await store.notifications.redeliver(id, T0 + 10), false, 'it is being sent')
    t.match(await store.notifications.get(id), { attempts: 1, dueAt: T0 + 9 + NOTIFICATION_LEASE_MS })
    await store.notifications.report(existing(again[0]), {
      ...{ status: 'retry', at: T0 + 10, httpStatus: 500, code: 'CURFEW_X', dueAt: T0 + 5_010 },
    })
    t.equal(await store.notifications.redeliver(id, T0 + 10), true)
    t.match(await store.notifications.get(id), { attempts: 0, dueAt: T0 + 10 })
    t.equal(await store.notifications.redeliver('01f7dd5c-5d0c-7c4e-9d0e-3b1f0c9a7e21', T0), false)
  })

  t.test('the list has filters and pages', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver(), aReceiver({ name: 'b' })))
    const id = await ended(store)
    await ended(store, aFailure(), 'u2')
    await store.notifications.add([
      {
        ...{ receiver: 'b', type: 'source.rejected', at: T0, tenant: null, revocation: null },
        ...{ user: null, data: '{}' },
      },
    ])
    const count = async (query: object) =>
      (await store.notifications.list({ limit: 100, ...query })).items.length
    t.equal(await count({}), 7)
    t.equal(await count({ receiver: 'b' }), 4)
    t.equal(await count({ revocation: id }), 4)
    t.equal(await count({ type: 'revocation.failed', receiver: 'siem' }), 1)
    t.equal(await count({ status: 'delivered' }), 0)
    t.equal(await count({ tenants: ['default'] }), 6)
    t.equal(await count({ tenants: [] }), 0)
    const seen: string[] = []
    for (let cursor: string | undefined, page = 0; page === 0 || cursor !== undefined; page += 1) {
      const { items, nextCursor } = await store.notifications.list({ limit: 3, cursor })
      seen.push(...items.map((one) => one.id))
      cursor = nextCursor ?? undefined
    }
    t.equal(new Set(seen).size, 7)
    t.same(seen, seen.toSorted().reverse(), 'newest first')
  })

  t.test('an erased user is not sent to anyone', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    await ended(store, aCompletion({ resolved: ['u1'] }), 'u1')
    await ended(store, aCompletion({ resolved: ['u2'] }), 'u2')
    const user = { kind: 'userId', value: 'u1' } as const
    t.match(await store.audit.erase({ tenant: 'default', user }, T0, AN_ORIGIN), { notifications: 1 })
    const left = await store.notifications.claim('siem', T0, 10)
    t.same(
      left.map(({ data }) => JSON.parse(data).user.userId),
      ['u2'],
    )
  })

  t.test('retention keeps what is pending', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    for (const userId of ['u1', 'u2', 'u3']) await ended(store, aCompletion(), userId)
    const [one, other] = await store.notifications.claim('siem', T0, 2)
    const base = { at: T0, httpStatus: null }
    await store.notifications.report(existing(one), { ...base, status: 'delivered' })
    await store.notifications.report(existing(other), { ...base, status: 'failed', code: 'CURFEW_X' })
    t.equal(await store.notifications.purge(T0, T0 + DELIVERED_KEPT_MS), 0)
    t.equal(await store.notifications.purge(T0, T0 + DELIVERED_KEPT_MS + 1), 1)
    t.equal(await store.notifications.purge(T0 + 1, T0 + DELIVERED_KEPT_MS + 1), 1)
    t.match((await store.notifications.list({ limit: 9 })).items, [{ status: 'pending' }])
    const end = T0 + GIVE_UP_NOTIFICATION_AFTER_MS
    t.equal(await store.notifications.purge(end, end), 0)
    t.equal(await store.notifications.purge(end + 1, end + 1), 1, 'what nothing has given up')
  })

  t.test('what is delivered is kept no longer than what failed', async (t) => {
    const store = await opened(t, undefined, outboxFor(aReceiver({ events: ['revocation.completed'] })))
    await ended(store)
    const [one] = await store.notifications.claim('siem', T0, 1)
    await store.notifications.report(existing(one), { status: 'delivered', at: T0, httpStatus: 204 })
    t.equal(await store.notifications.purge(T0, T0 + 2), 0)
    t.equal(await store.notifications.purge(T0 + 1, T0 + 2), 1)
  })

  t.test('what waits is counted for each receiver, up to a limit', async (t) => {
    const store = await opened(t)
    const about = { type: 'source.rejected', tenant: null, revocation: null, user: null, data: '{}' } as const
    const add = (receiver: string, count: number, at: number) =>
      store.notifications.add(Array.from({ length: count }, () => ({ receiver, at, ...about })))
    t.same(await store.notifications.backlog(), [])
    await add('a', MOST_COUNTED + 1, T0 + 1)
    await add('b', 2, T0 + 2)
    await add('c', 1, T0 + 3)
    const [c] = await store.notifications.claim('c', T0 + 3, 1)
    const failure = { status: 'failed', at: T0 + 3, httpStatus: null, code: 'CURFEW_X' } as const
    await store.notifications.report(existing(c), failure)
    const backlog = await store.notifications.backlog()
    t.same(
      backlog.toSorted((one, other) => one.receiver.localeCompare(other.receiver)),
      [
        { receiver: 'a', pending: MOST_COUNTED, failed: 0, oldestPendingAt: T0 + 1 },
        { receiver: 'b', pending: 2, failed: 0, oldestPendingAt: T0 + 2 },
        { receiver: 'c', pending: 0, failed: 1, oldestPendingAt: null },
      ],
    )
  })
})
