import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

/** Every store keeps the contract of `RevocationStore`: these tests run against each of them. */
const STORES: Record<string, (t: Test) => RevocationStore> = {
  sqlite: (t) => openSqliteStore(join(temporaryFolder(t), 'curfew.db')),
}

const SLOTS = { security: 10, logout: 10, 'session-expired': 10 }
const TOKENS = { revoked: 2, alreadyGone: 1, kept: 0, remaining: 3 }
const FAILURE = { code: 'CURFEW_QLIK_UNAVAILABLE', detail: 'no answer' } as const

for (const [name, open] of Object.entries(STORES)) {
  t.test(name, async (t) => {
    const opened = async (t: Test) => {
      const store = open(t)
      t.teardown(() => store.close())
      return store
    }
    const accept = async (store: RevocationStore, different = {}): Promise<Revocation> => {
      const { revocations } = await store.accept([aSignal(different)], null, T0)
      const [revocation] = revocations
      if (!revocation) throw new Error('nothing was accepted')
      return revocation
    }
    const claim = (store: RevocationStore, now = T0) => store.claim({ now, slots: SLOTS })
    const waiting = (revocation: Revocation, nextAttemptAt: number | null) => ({
      ...revocation,
      tokens: TOKENS,
      error: FAILURE,
      nextAttemptAt,
    })

    t.test('an accepted signal is a queued revocation, found by its id', async (t) => {
      const store = await opened(t)
      const revocation = await accept(store, { deviceType: 'Phone', reason: 'security', scope: 'all' })
      t.match(revocation, {
        status: 'queued',
        reason: 'security',
        scope: 'all',
        deviceType: 'Phone',
        attempts: 0,
      })
      t.strictSame(await store.get(revocation.id), revocation)
      t.equal(await store.get('00000000-0000-7000-8000-000000000000'), null)
    })

    t.test('a signal joins the queued one: latest time, highest urgency, widest scope', async (t) => {
      const store = await opened(t)
      const first = await accept(store, { reason: 'session-expired' })
      const second = await accept(store, {
        reason: 'security',
        scope: 'all',
        occurredAt: T0 - 5,
      })
      const third = await accept(store, { reason: 'logout', occurredAt: T0 + 7 })
      t.same([second.id, third.id], [first.id, first.id])
      t.match(third, {
        reason: 'security',
        scope: 'all',
        occurredAt: T0 + 7,
        status: 'queued',
      })
    })

    t.test('users of different tenants, and names of different kinds, do not join', async (t) => {
      const store = await opened(t)
      const ids = await Promise.all([
        accept(store),
        accept(store, { tenant: 'other' }),
        accept(store, { user: { kind: 'subject', value: 'u1' } }),
        accept(store, { userId: 'U1' }),
      ])
      t.equal(new Set(ids.map(({ id }) => id)).size, 4)
    })

    t.test('signals for different device types do not join, and run side by side', async (t) => {
      const store = await opened(t)
      const types = [null, 'Phone', 'Laptop']
      const ids = await Promise.all(types.map((deviceType) => accept(store, { deviceType })))
      t.equal(new Set(ids.map(({ id }) => id)).size, 3)
      t.equal((await claim(store)).length, 3)
    })

    t.test('ids that joined one that joins another lead there, too', async (t) => {
      const store = await opened(t)
      const failed = await accept(store)
      const [first] = await claim(store)
      const joined = await accept(store)
      await store.putBack(failed.id, waiting(running(first), null))
      await claim(store)
      await store.fail(failed.id, FAILURE, TOKENS, T0)
      const older = await accept(store)
      const [second] = await claim(store)
      await store.retry(failed.id)
      await store.putBack(older.id, waiting(running(second), null))
      t.match(await store.get(failed.id), { id: older.id })
      t.match(await store.get(joined.id), { id: older.id })
    })

    t.test('a running one is overtaken when a more urgent one is queued for its user', async (t) => {
      const store = await opened(t)
      const a = await accept(store, { userId: 'a' })
      await accept(store, { userId: 'b' })
      await claim(store)
      await accept(store, { userId: 'a', reason: 'session-expired' })
      await accept(store, { userId: 'b', reason: 'security', deviceType: 'Phone' })
      t.same(await store.overtaken(), [])
      await accept(store, { userId: 'a', reason: 'security' })
      t.same(await store.overtaken(), [a.id])
    })

    t.test('after the clock was set back, nothing waits for the time that it had', async (t) => {
      const store = await opened(t)
      const day = 24 * 60 * 60_000
      await accept(store, { userId: 'never tried', acceptedAt: T0 + day })
      const tried = await accept(store, { userId: 'tried' })
      const [claimed] = await claim(store)
      await store.putBack(tried.id, waiting(running(claimed), T0 + day))
      await store.recover(T0)
      t.match(await claim(store), [{ user: { value: 'never tried' } }])
      t.equal(await store.nextDueAt(T0), T0 + 60 * 60_000)
    })

    t.test('signals of one request join each other, and all are accepted or none', async (t) => {
      const store = await opened(t)
      const { revocations } = await store.accept([aSignal(), aSignal({ userId: 'u2' }), aSignal()], null, T0)
      t.equal(revocations[0]?.id, revocations[2]?.id)
      t.not(revocations[0]?.id, revocations[1]?.id)
    })

    t.test(
      'a claim takes what is due by urgency, then by age, within the slots of each reason',
      async (t) => {
        const store = await opened(t)
        const expired = await accept(store, { userId: 'a', reason: 'session-expired' })
        const young = await accept(store, { userId: 'b', acceptedAt: T0 + 2 })
        const old = await accept(store, { userId: 'c', acceptedAt: T0 + 1 })
        const urgent = await accept(store, { userId: 'd', reason: 'security', acceptedAt: T0 + 3 })
        const claimed = await store.claim({
          now: T0 + 5,
          slots: { security: 1, logout: 1, 'session-expired': 1 },
        })
        t.same(
          claimed.map(({ id }) => id),
          [urgent.id, old.id, expired.id],
        )
        t.match(claimed, [{ status: 'running', attempts: 1, startedAt: T0 + 5 }])
        const rest = await store.claim({
          now: T0 + 5,
          slots: { security: 0, logout: 5, 'session-expired': 5 },
        })
        t.same(
          rest.map(({ id }) => id),
          [young.id],
        )
      },
    )

    t.test('while one runs, a signal makes a queued one, which is not claimed before the end', async (t) => {
      const store = await opened(t)
      const running = await accept(store)
      await claim(store)
      const queued = await accept(store)
      t.not(queued.id, running.id)
      t.equal((await accept(store)).id, queued.id, 'further ones join the queued one')
      t.same(await claim(store), [])
      await store.complete(running.id, {
        outcome: 'revoked',
        verified: true,
        tokens: TOKENS,
        completedAt: T0 + 9,
      })
      t.match(await claim(store), [{ id: queued.id }])
    })

    t.test('a completed revocation shows how it ended', async (t) => {
      const store = await opened(t)
      const { id } = await accept(store)
      await claim(store)
      await store.progress(id, TOKENS)
      t.match(await store.get(id), { status: 'running', tokens: TOKENS })
      await store.complete(id, { outcome: 'revoked', verified: true, tokens: TOKENS, completedAt: T0 + 9 })
      const ended = {
        status: 'completed',
        outcome: 'revoked',
        verified: true,
        completedAt: T0 + 9,
        error: null,
      }
      t.match(await store.get(id), ended)
      await store.fail(id, FAILURE, TOKENS, T0 + 10)
      await store.putBack(id, waiting(running(await store.get(id)), null))
      t.match(await store.get(id), ended, 'what has ended is not changed')
    })

    t.test('one that is put back waits for its time', async (t) => {
      const store = await opened(t)
      const { id } = await accept(store)
      const [claimed] = await claim(store)
      await store.putBack(id, waiting(running(claimed), T0 + 100))
      t.match(await store.get(id), {
        status: 'queued',
        tokens: TOKENS,
        error: FAILURE,
        nextAttemptAt: T0 + 100,
      })
      t.same(await claim(store, T0 + 99), [])
      t.equal(await store.nextDueAt(T0), T0 + 100)
      t.equal(await store.nextDueAt(T0 + 100), null, 'only what is later counts')
      t.match(await claim(store, T0 + 100), [{ id, attempts: 2, startedAt: T0, nextAttemptAt: null }])
    })

    t.test('a newer queued one joins the one that is put back, and its id leads there', async (t) => {
      const store = await opened(t)
      const older = await accept(store)
      const [claimed] = await claim(store)
      const newer = await accept(store, { reason: 'security', scope: 'all', occurredAt: T0 + 50 })
      await store.putBack(older.id, waiting(running(claimed), T0 + 100))
      t.match(await store.get(newer.id), {
        id: older.id,
        reason: 'security',
        scope: 'all',
        occurredAt: T0 + 50,
      })
      t.equal((await store.list({ limit: 10 })).items.length, 1)
    })

    t.test('what was running is queued again by recover', async (t) => {
      const store = await opened(t)
      const a = await accept(store, { userId: 'a' })
      const b = await accept(store, { userId: 'b' })
      await claim(store)
      const newer = await accept(store, { userId: 'a' })
      t.equal(await store.recover(T0), 2)
      t.match(await store.get(a.id), { status: 'queued', attempts: 1 })
      t.match(await store.get(b.id), { status: 'queued' })
      t.match(await store.get(newer.id), { id: a.id })
      t.equal(await store.recover(T0), 0)
    })

    t.test('retry queues a failed one again, and lets a waiting one start at once', async (t) => {
      const store = await opened(t)
      const { id } = await accept(store)
      await claim(store)
      await store.fail(id, FAILURE, TOKENS, T0 + 9)
      t.match(await store.get(id), { status: 'failed', error: FAILURE, completedAt: T0 + 9 })
      t.match(await store.retry(id), { id, status: 'queued', completedAt: null, nextAttemptAt: null })
      const [claimed] = await claim(store)
      t.match(await store.retry(id), { id, status: 'running' }, 'one that runs is answered as it is')
      await store.putBack(id, waiting(running(claimed), T0 + 1_000))
      await store.retry(id)
      t.match(await claim(store), [{ id }])
      t.equal(await store.retry('00000000-0000-7000-8000-000000000000'), null)
    })

    t.test(
      'retry joins another queued one; a verified one is refused, an unverified one is not',
      async (t) => {
        const store = await opened(t)
        const failed = await accept(store, { occurredAt: T0 + 70 })
        await claim(store)
        await store.fail(failed.id, FAILURE, TOKENS, T0 + 9)
        const queued = await accept(store)
        t.match(await store.retry(failed.id), { id: queued.id, occurredAt: T0 + 70 })
        await claim(store)
        await store.complete(queued.id, {
          outcome: 'none-visible',
          verified: false,
          tokens: TOKENS,
          completedAt: T0,
        })
        t.match(await store.retry(queued.id), { id: queued.id, status: 'queued', outcome: null })
        await claim(store)
        await store.complete(queued.id, {
          outcome: 'revoked',
          verified: true,
          tokens: TOKENS,
          completedAt: T0,
        })
        await t.rejects(store.retry(queued.id), { code: 'CURFEW_NOT_RETRYABLE' })
      },
    )

    t.test(
      'a repeated key gets the first answer and does nothing; another request under it is refused',
      async (t) => {
        const store = await opened(t)
        const replay = { key: 'k', fingerprint: 'f' }
        const first = await store.accept([aSignal()], replay, T0)
        await claim(store)
        const again = await store.accept([aSignal()], replay, T0 + 600_000)
        t.strictSame(again, { revocations: first.revocations, replayed: true })
        t.equal((await store.list({ limit: 10 })).items.length, 1)
        await t.rejects(store.accept([aSignal()], { key: 'k', fingerprint: 'g' }, T0), {
          code: 'CURFEW_IDEMPOTENCY_MISMATCH',
        })
        const later = await store.accept([aSignal()], replay, T0 + 600_001)
        t.equal(later.replayed, false, 'the key is forgotten after ten minutes')
      },
    )

    t.test('two requests with one key at the same time are one', async (t) => {
      const store = await opened(t)
      const replay = { key: 'k', fingerprint: null }
      const [one, other] = await Promise.all([
        store.accept([aSignal()], replay, T0),
        store.accept([aSignal({ userId: 'u2' })], replay, T0),
      ])
      t.same([one.replayed, other.replayed], [false, true])
      t.strictSame(other.revocations, one.revocations)
    })

    t.test('the list is the newest first, filtered, page by page', async (t) => {
      const store = await opened(t)
      for (let index = 0; index < 25; index += 1) {
        await accept(store, {
          userId: `u${index}`,
          acceptedAt: T0 + index,
          tenant: index % 2 ? 'odd' : 'even',
        })
      }
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await store.list({ limit: 7, cursor })
        seen.push(...page.items.map(({ user }) => user.value))
        cursor = page.nextCursor ?? undefined
      } while (cursor)
      t.same(
        seen,
        Array.from({ length: 25 }, (_, index) => `u${24 - index}`),
      )
      t.equal((await store.list({ limit: 100, tenant: 'odd' })).items.length, 12)
      t.match(await store.list({ limit: 5, userId: 'u3' }), {
        items: [{ user: { value: 'u3' } }],
        nextCursor: null,
      })
      t.same((await store.list({ limit: 5, status: 'failed' })).items, [])
    })

    t.test('purge deletes what ended before, with the ids that lead there, and nothing else', async (t) => {
      const store = await opened(t)
      const old = await accept(store, { userId: 'old' })
      const [claimed] = await claim(store)
      const joined = await accept(store, { userId: 'old' })
      await store.putBack(old.id, waiting(running(claimed), null))
      const recent = await accept(store, { userId: 'recent' })
      const queued = await accept(store, { userId: 'queued', acceptedAt: T0 + 60_000 })
      await claim(store)
      await store.complete(old.id, {
        outcome: 'revoked',
        verified: true,
        tokens: TOKENS,
        completedAt: T0 + 1,
      })
      await store.fail(recent.id, FAILURE, TOKENS, T0 + 100)
      t.equal(await store.purge(T0 + 100, T0), 1)
      t.same([await store.get(old.id), await store.get(joined.id)], [null, null])
      t.match(await store.get(recent.id), { status: 'failed' })
      t.match(await store.get(queued.id), { status: 'queued' })
    })

    t.test('purge forgets replay keys after their window', async (t) => {
      const store = await opened(t)
      await store.accept([aSignal()], { key: 'k', fingerprint: null }, T0)
      t.equal(await store.purge(0, T0 + 600_000), 0)
      t.equal(await store.purge(0, T0 + 600_001), 1)
    })

    t.test('the backlog counts what has not ended', async (t) => {
      const store = await opened(t)
      for (const userId of ['a', 'b', 'c']) await accept(store, { userId })
      await accept(store, { userId: 'x', tenant: 'other', acceptedAt: T0 + 1 })
      await store.claim({ now: T0, slots: { security: 0, logout: 1, 'session-expired': 0 } })
      const counts = await store.backlog()
      t.same(
        counts.sort((a, b) => `${a.tenant}${a.status}`.localeCompare(`${b.tenant}${b.status}`)),
        [
          { tenant: 'default', status: 'queued', count: 2 },
          { tenant: 'default', status: 'running', count: 1 },
          { tenant: 'other', status: 'queued', count: 1 },
        ],
      )
    })

    t.test('closing twice is closing once, and then nothing is accepted', async (t) => {
      const store = await opened(t)
      await store.check()
      await store.close()
      await store.close()
      await t.rejects(store.accept([aSignal()], null, T0), { code: 'CURFEW_STORE_UNAVAILABLE' })
    })
  })
}

function running(revocation: Revocation | null | undefined): Revocation {
  if (!revocation) throw new Error('expected a revocation')
  return revocation
}
