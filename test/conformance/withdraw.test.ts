import type { Origin } from '../../src/revocation/origin.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { aCompletion, accept, claim, eachStore, existing, waiting } from './stores.ts'

const OPS: Origin = { kind: 'api-key', name: 'ops', id: 'f1', address: null }
const OKTA: Origin = { kind: 'source', name: 'okta', id: 'f2', address: null }
const NOW = { now: T0 + 5, force: false }

eachStore(async (t, opened) => {
  t.test('a queued revocation is cancelled once, and never claimed', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    t.match(await store.withdraw(id, NOW, OPS), { id, status: 'cancelled', completedAt: T0 + 5 })
    t.match(await store.withdraw(id, { ...NOW, now: T0 + 9 }), { completedAt: T0 + 5 }, 'unchanged')
    t.same(await claim(store), [])
    t.same(await store.backlog(), [])
    const { items } = await store.audit.list({ event: 'cancelled', limit: 10 })
    t.match(
      items.map(({ text }) => JSON.parse(text)),
      [{ event: 'cancelled', by: { name: 'ops' } }],
    )
    await t.rejects(store.retry(id, T0), { code: 'CURFEW_NOT_RETRYABLE' })
    t.not((await accept(store)).id, id, 'a later signal creates another one')
    t.equal((await claim(store)).length, 1)
  })

  t.test(
    'only what was found is cancelled: not one that it has joined, nor one in another status',
    async (t) => {
      const store = await opened(t)
      const { id } = await accept(store)
      t.equal(await store.withdraw(id, { ...NOW, only: { id, status: 'held' } }), null)
      t.equal(
        await store.withdraw(id, { ...NOW, only: { id: '00000000-0000-4000-8000-000000000000' } }),
        null,
      )
      t.match(await store.get(id), { status: 'queued' })
      t.match(await store.withdraw(id, { ...NOW, only: { id, status: 'queued' } }), { status: 'cancelled' })
    },
  )

  t.test('a run of a cancelled revocation is overtaken and has no effect', async (t) => {
    const store = await opened(t)
    const { id } = await accept(store)
    const run = existing((await claim(store))[0])
    t.equal(await store.lockUsers(id, ['u1'], 1), true)
    const next = await accept(store)
    t.match(await store.withdraw(id, NOW), { status: 'cancelled' })
    t.same(await store.overtaken(), [id])
    t.equal(await store.lockUsers(id, ['u1'], 1), false)
    t.equal(await store.end(id, aCompletion()), false)
    await store.putBack(id, waiting(run, null))
    await store.progress(id, { revoked: 9, alreadyGone: 0, kept: 0, remaining: 0 })
    t.match(await store.get(id), { status: 'cancelled', tokens: { revoked: 0 } })
    t.match(await claim(store), [{ id: next.id }], 'the one behind it runs')
    t.equal(await store.lockUsers(next.id, ['u1'], 1), true)
  })

  t.test('a held one is cancelled with the decision, by an id that joined it, too', async (t) => {
    const store = await opened(t, { users: 1, windowMs: 60_000 })
    await store.accept([aSignal({ userId: 'a' })], null, T0, OPS)
    const [held] = (await store.accept([aSignal({ userId: 'b' })], null, T0, OPS)).revocations
    t.match(held, { status: 'held' })
    t.match(await store.withdraw(existing(held).id, NOW, OKTA), {
      status: 'cancelled',
      hold: { decision: { what: 'cancelled', by: 'okta' } },
    })
  })

  t.test('an ended one cannot be cancelled, one of several senders only with force', async (t) => {
    const store = await opened(t)
    const ended = await accept(store, { userId: 'ended' })
    await claim(store)
    await store.end(ended.id, aCompletion())
    await t.rejects(store.withdraw(ended.id, NOW), { code: 'CURFEW_NOT_CANCELLABLE' })
    const [first] = (await store.accept([aSignal({ userId: 'u' })], null, T0, OPS)).revocations
    const { id } = existing(first)
    await store.accept([aSignal({ userId: 'u' })], null, T0, OKTA)
    await t.rejects(store.withdraw(id, NOW, OPS), {
      code: 'CURFEW_SEVERAL_SENDERS',
      message: /api-key ops, source okta/,
    })
    t.match(await store.get(id), { status: 'queued' })
    t.match(await store.withdraw(id, { ...NOW, force: true }), { status: 'cancelled' })
    for (const unknown of ['nope', '00000000-0000-7000-8000-000000000000'])
      t.equal(await store.withdraw(unknown, NOW), null)
  })
})
