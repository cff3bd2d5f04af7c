import t from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { changeMatching, type MatchingOptions } from '../../src/revocation/change-matching.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { RevocationQuery } from '../../src/revocation/store.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { aSignal } from '../support/signals.ts'

const idOf = (index: number) => `018f0000-0000-7000-8000-${String(index).padStart(12, '0')}`

/** A store with `count` revocations that match, in pages of up to `perPage`. */
function storeWith(count: number, perPage = Number.POSITIVE_INFINITY) {
  const all = Array.from({ length: count }, (_, index) => newRevocation(idOf(count - index), aSignal()))
  const pages: number[] = []
  return {
    pages,
    async list({ cursor, limit }: RevocationQuery) {
      const rest = all.filter(({ id }) => cursor === undefined || id < cursor)
      const items = rest.slice(0, Math.min(limit, perPage))
      pages.push(items.length)
      const hasMore = rest.length > items.length
      return { items, nextCursor: hasMore ? (items.at(-1)?.id ?? cursor ?? idOf(count + 1)) : null }
    },
  }
}

const STANDING = { monotonic: () => 0 }
const changed: MatchingOptions['change'] = async () => true

t.test('a request changes a limited number, and the next one continues', async (t) => {
  const store = storeWith(25)
  const options = { store, clock: STANDING, limit: 10, change: changed }
  const seen: number[] = []
  let cursor: string | undefined
  do {
    const result = await changeMatching({ cursor }, options)
    seen.push(result.changed)
    t.equal(result.matched, result.changed)
    cursor = result.nextCursor ?? undefined
  } while (cursor)
  t.same(seen, [10, 10, 5])
})

t.test('rows are read in parts, and few are changed at once', async (t) => {
  const store = storeWith(450)
  let current = 0
  let most = 0
  const change = async () => {
    current += 1
    most = Math.max(most, current)
    await null
    current -= 1
    return true
  }
  const result = await changeMatching({}, { store, clock: STANDING, limit: 1_000, change })
  t.match(result, { matched: 450, changed: 450, nextCursor: null, ids: { length: 100 } })
  t.equal(result.ids[0], idOf(450))
  t.same(store.pages, [200, 200, 50])
  t.equal(most, 4)
})

t.test('refusals are counted by code, and what has changed in the meantime is not', async (t) => {
  const change = async ({ id }: Revocation) => {
    if (id === idOf(1)) throw new CurfewError('CURFEW_SEVERAL_SENDERS')
    return id !== idOf(2)
  }
  t.same(await changeMatching({}, { store: storeWith(3), clock: STANDING, limit: 9, change }), {
    matched: 3,
    changed: 1,
    byStatus: { queued: 1 },
    refused: { CURFEW_SEVERAL_SENDERS: 1 },
    ids: [idOf(3)],
    nextCursor: null,
  })
})

t.test('a failure of the store rejects', async (t) => {
  const change = async () => {
    throw new CurfewError('CURFEW_STORE_UNAVAILABLE')
  }
  const options = { store: storeWith(1), clock: STANDING, limit: 9, change }
  await t.rejects(changeMatching({}, options), { code: 'CURFEW_STORE_UNAVAILABLE' })
})

t.test('time is limited, also within a page; the rest follows with the cursor', async (t) => {
  let now = 0
  const change = async () => {
    now += 1_000
    return true
  }
  const clock = { monotonic: () => now }
  const first = await changeMatching({}, { store: storeWith(20), clock, limit: 100, change })
  t.match(first, { changed: 8, nextCursor: idOf(13) })
})

t.test('empty pages are limited, too', async (t) => {
  const store = storeWith(1, 0)
  const options = { store, clock: STANDING, limit: 100, change: changed }
  t.match(await changeMatching({}, options), { matched: 0, nextCursor: idOf(2) })
  t.equal(store.pages.length, 50)
})
