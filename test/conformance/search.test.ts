import { lowestIdAt } from '../../src/revocation/id.ts'
import type { Origin } from '../../src/revocation/origin.ts'
import type { RevocationQuery, RevocationStore } from '../../src/revocation/store.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, aFailure, claim, eachStore, existing, waiting } from './stores.ts'

const OPS: Origin = { kind: 'api-key', name: 'ops', id: 'f1', address: null }
const OKTA: Origin = { kind: 'source', name: 'okta', id: 'f2', address: null }

async function usersOf(store: RevocationStore, query: Partial<RevocationQuery>): Promise<string[]> {
  const { items, nextCursor } = await store.list({ limit: 100, ...query })
  if (nextCursor !== null) throw new Error('expected one page')
  return items.map(({ user }) => user.value)
}

/** Revocations in all states, of two senders. */
async function fill(store: RevocationStore): Promise<void> {
  const email = { kind: 'email', value: 'ann@example.com' } as const
  const signals = [
    aSignal({ userId: 'done', acceptedAt: T0 }),
    aSignal({ user: email, acceptedAt: T0 + 1 }),
    aSignal({ userId: 'failed', acceptedAt: T0 + 2, source: 'okta', reason: 'security' }),
  ]
  await store.accept(signals.slice(0, 2), null, T0, OPS)
  await store.accept(signals.slice(2), null, T0, OKTA)
  for (const { id, user } of await claim(store, T0 + 10)) {
    const resolved = user.kind === 'email' ? ['u7'] : []
    const outcome = user.kind === 'email' ? 'nothing-to-revoke' : 'revoked'
    await store.end(id, user.value === 'failed' ? aFailure() : aCompletion({ resolved, outcome }))
  }
  await store.accept([aSignal({ userId: 'queued', acceptedAt: T0 + 3, source: 'okta' })], null, T0, OKTA)
}

eachStore(async (t, opened) => {
  t.test('revocations are found by each condition, and by several', async (t) => {
    const store = await opened(t)
    await fill(store)
    const found = (query: Partial<RevocationQuery>) => usersOf(store, query)
    const email = 'ann@example.com'
    t.same(await found({ user: { kind: 'email', value: email } }), [email])
    t.same(
      await found({ user: { kind: 'userId', value: 'u7' } }),
      [email],
      'a name that resolved to the user id',
    )
    t.same(await found({ user: { kind: 'subject', value: email } }), [])
    const all = (await store.list({ limit: 100 })).items
    const ids = all.filter(({ user }) => user.value !== 'done').map(({ id }) => id)
    t.same(await found({ ids }), ['queued', 'failed', email])
    t.same(await found({ ids, source: 'okta', change: 'cancel' }), ['queued'])
    t.same(await found({ ids: [] }), [])
    t.same(await found({ source: 'okta' }), ['queued', 'failed'])
    t.same(await found({ senders: ['api-key ops', 'webhook ops'] }), [email, 'done'])
    t.same(await found({ senders: ['source okta'], reason: 'logout' }), ['queued'])
    t.same(await found({ reason: 'security' }), ['failed'])
    t.same(await found({ outcome: 'revoked' }), ['done'])
    t.same(await found({ outcome: 'nothing-to-revoke', byUserId: true }), [])
    t.same(await found({ outcome: 'nothing-to-revoke', byUserId: false }), [email])
    t.same(await found({ code: 'CURFEW_QLIK_UNAVAILABLE' }), ['failed'])
    t.same(await found({ code: 'CURFEW_QLIK_UNAVAILABLE', source: 'api' }), [])
    t.same(await found({ since: T0 + 1, until: T0 + 3 }), ['failed', email])
    t.same(await found({ since: T0 + 1, source: 'okta', tenants: ['default', 'other'] }), [
      'queued',
      'failed',
    ])
    t.same(await found({ tenants: ['default'], status: 'completed' }), [email, 'done'])
    t.same(await found({ until: -1 }), [])
    t.equal((await found({ since: -1, until: Number.MAX_SAFE_INTEGER })).length, 4)
  })

  t.test('pages of a search by sender follow each other, ended or not', async (t) => {
    const store = await opened(t)
    for (let index = 0; index < 9; index += 1) {
      await store.accept([aSignal({ userId: `u${index}`, acceptedAt: T0 + index })], null, T0, OPS)
      if (index % 3 === 0) for (const { id } of await claim(store, T0 + 9)) await store.end(id, aCompletion())
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list({ limit: 2, senders: ['api-key ops', 'webhook ops'], cursor })
      seen.push(...page.items.map(({ user }) => user.value))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    t.same(
      seen,
      Array.from({ length: 9 }, (_, index) => `u${8 - index}`),
    )
  })

  t.test('a search that reads many rows ends its page, and continues', async (t) => {
    const store = await opened(t)
    const signals = Array.from({ length: 2_003 }, (_, index) =>
      aSignal({ userId: `u${index}`, acceptedAt: T0 + index, tenant: index < 2 ? 'rare' : 'default' }),
    )
    await store.accept(signals, null, T0, OPS)
    const query = { tenants: ['rare', 'none'], limit: 10 }
    const first = await store.list(query)
    t.match(first, { items: [], nextCursor: /^[0-9a-f-]{36}$/ })
    const second = await store.list({ ...query, cursor: String(first.nextCursor) })
    t.match(second, { items: [{ user: { value: 'u1' } }, { user: { value: 'u0' } }], nextCursor: null })
    t.same(await store.count(query), { value: 0, isExact: false })
    t.same(await store.count({ ...query, until: T0 + 2_000 }), { value: 2, isExact: true })
  })

  t.test('a count is exact up to a limit', async (t) => {
    const store = await opened(t)
    await fill(store)
    t.same(await store.count({ limit: 1 }), { value: 4, isExact: true })
    t.same(await store.count({ limit: 1, source: 'okta' }), { value: 2, isExact: true })
    t.same(await store.count({ limit: 1, senders: ['api-key ops'], cursor: lowestIdAt(0) }), {
      value: 2,
      isExact: true,
    })
  })

  t.test('revocations are found by what can be done with them, also with other conditions', async (t) => {
    const store = await opened(t, { users: 7, windowMs: 60_000 })
    const email = { kind: 'email', value: 'ann@example.com' } as const
    const users = ['verified', 'unverified', 'due', 'failed', 'waiting', 'replaced', 'queued', 'held']
    for (const [index, userId] of users.entries()) {
      const signal = { userId, acceptedAt: T0 + index, ...(userId === 'unverified' ? { user: email } : {}) }
      await store.accept([aSignal(signal)], null, T0, OPS)
      const ended = { verified: aCompletion(), unverified: aCompletion({ verified: false }) }
      const due = aCompletion({ verified: false, verificationDueAt: T0 + 99 })
      const ending = { ...ended, due, failed: aFailure(), replaced: aFailure() }[userId]
      if (ending) await store.end(existing((await claim(store, T0 + index))[0]).id, ending)
      if (userId === 'waiting') {
        const run = existing((await claim(store, T0 + index))[0])
        await store.putBack(run.id, waiting(run, T0 + 60_000))
      }
      if (userId === 'replaced') {
        const failed = existing((await store.list({ limit: 1 })).items[0])
        await store.accept([aSignal({ userId, acceptedAt: T0 + index, source: 'okta' })], null, T0, OPS)
        await store.retry(failed.id, T0)
      }
    }
    const found = (query: Partial<RevocationQuery>) => usersOf(store, query)
    const retryable = ['waiting', 'failed', 'ann@example.com']
    t.same(await found({ change: 'retry' }), retryable)
    t.same(await found({ change: 'retry', senders: ['api-key ops'] }), retryable)
    t.same(await found({ change: 'retry', status: 'failed' }), ['failed'])
    t.same(await found({ change: 'retry', status: 'queued', source: 'logout-hook' }), ['waiting'])
    t.same(await found({ change: 'retry', status: 'held' }), [])
    t.same(await found({ change: 'retry', status: 'held', source: 'logout-hook' }), [])
    t.same(await found({ change: 'retry', user: email }), ['ann@example.com'])
    t.same(await found({ change: 'cancel', since: T0 + 1 }), ['held', 'queued', 'replaced', 'waiting'])
    t.same(await found({ change: 'cancel', source: 'okta' }), ['replaced'])
    t.same(await found({ change: 'cancel', status: 'held', tenants: ['default'] }), ['held'])
    t.same(await found({ change: 'release' }), ['held'])
    t.same(await store.count({ limit: 1, change: 'retry' }), { value: 3, isExact: true })
  })

  t.test('the senders of joined signals are kept, each once', async (t) => {
    const store = await opened(t)
    const first = await accept(store, { userId: 'u' })
    for (const origin of [OPS, OKTA, OPS]) await store.accept([aSignal({ userId: 'u' })], null, T0, origin)
    t.match(await store.get(first.id), { sender: null, otherSenders: ['api-key ops', 'source okta'] })
    await store.accept([aSignal({ userId: 'v' })], null, T0, OKTA)
    await store.accept([aSignal({ userId: 'v' })], null, T0, OKTA)
    t.match(await store.list({ limit: 1, user: { kind: 'userId', value: 'v' } }), {
      items: [{ sender: 'source okta', otherSenders: [] }],
    })
  })
})
