import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { AuditReading } from '../../../src/revocation/audit/audit-log.ts'
import { EventFeed, EventId, type FeedEvent } from '../../../src/revocation/audit/event-feed.ts'
import { fakeClock } from '../../support/clock.ts'

const WRITER = '00000000-0000-4000-8000-000000000001'

function entry(sequence: number, different: object = {}) {
  const text = JSON.stringify({
    ...{ v: 1, writer: WRITER, sequence, previous: null, at: 1_000 + sequence, event: 'tokens-revoked' },
    ...{ by: null, address: null, tenant: 'eu', revocation: 'r', details: {}, private: null, ...different },
  })
  return { writer: WRITER, sequence, text, private: null, hash: '' }
}

/** A trail of one chain, which a test extends. */
function openFeed(different: Partial<AuditReading> = {}) {
  const entries = [entry(1)]
  const clock = fakeClock()
  const warnings: string[] = []
  const log = { info: () => {}, warn: (_: object, text: string) => warnings.push(text), error: () => {} }
  const audit: Pick<AuditReading, 'list' | 'spans' | 'page'> = {
    list: async () => ({ items: entries.toReversed(), nextCursor: null }),
    spans: async () => [{ writer: WRITER, first: 1, last: entries.length }],
    page: async (after) => entries.filter(({ sequence }) => sequence > (after?.sequence ?? 0)),
    ...different,
  }
  const received: FeedEvent[] = []
  const calls: string[] = []
  const subscriber = {
    onEvents: (events: readonly FeedEvent[]) => received.push(...events),
    onGap: () => calls.push('gap'),
    onEnd: () => calls.push('end'),
  }
  const poll = async () => {
    clock.advance(1_000)
    // The reading takes some turns.
    for (let turn = 0; turn < 5; turn += 1) await setImmediate()
  }
  return { feed: new EventFeed({ audit, clock, log }), entries, received, calls, subscriber, poll, warnings }
}

const after = (sequence: number) => EventId.parse(`${1_000 + sequence}_${WRITER}_${sequence}`)

t.test('token ids are replaced by their number, and entries about no revocation are left out', async (t) => {
  const { feed, entries, received, subscriber, poll } = openFeed()
  await feed.subscribe(subscriber, { after: null })
  entries.push(
    entry(2, { details: { tokens: [{}, {}] } }),
    entry(3, { revocation: null }),
    entry(4, { v: 2 }),
  )
  await poll()
  t.match(received, [{ id: `1002_${WRITER}_2`, details: { tokens: 2 } }])
  t.equal(received.length, 1)
})

t.test('a failed reading is repeated, and nothing is missed', async (t) => {
  let isBroken = false
  const all = openFeed()
  const { entries, received, subscriber, poll, warnings } = all
  const feed = openFeed({
    spans: async () => {
      if (isBroken) throw new Error('broken')
      return [{ writer: WRITER, first: 1, last: entries.length }]
    },
    page: async (from) => entries.filter(({ sequence }) => sequence > (from?.sequence ?? 0)),
  })
  await feed.feed.subscribe(subscriber, { after: null })
  isBroken = true
  entries.push(entry(2))
  await feed.poll()
  t.same(received, [])
  t.same(feed.warnings, ['could not read events for subscribers; retrying'])
  isBroken = false
  await feed.poll()
  t.match(received, [{ id: `1002_${WRITER}_2` }])
  t.same(warnings, [])
  await poll()
})

t.test('after too many events, the subscriber is notified of the gap', async (t) => {
  const many = Array.from({ length: 500 }, (_, index) => entry(index + 2))
  const { feed, received, calls, subscriber } = openFeed({
    spans: async () => [{ writer: WRITER, first: 1, last: 1_000_000 }],
    list: async () => ({ items: many, nextCursor: 'more' }),
  })
  await feed.subscribe(subscriber, { after: after(1) })
  t.same(calls, ['gap'])
  t.same(received, [])
})

t.test('what is deleted before it is read does not stop the feed', async (t) => {
  const { feed, entries, received, subscriber, poll } = openFeed({ page: async () => [] })
  await feed.subscribe(subscriber, { after: null })
  entries.push(entry(2))
  await poll()
  t.same(received, [])
  t.equal(feed.subscribers, 1)
})

t.test('while nobody subscribes, nothing is read; a failed subscription is over', async (t) => {
  let readings = 0
  let isBroken = false
  const { feed, subscriber, poll, calls } = openFeed({
    spans: async () => {
      readings += 1
      if (isBroken) throw new Error('broken')
      return []
    },
  })
  const stop = await feed.subscribe(subscriber, { after: null })
  await poll()
  t.equal(readings, 2)
  stop()
  await poll()
  t.equal(readings, 2)
  isBroken = true
  await t.rejects(feed.subscribe(subscriber, { after: null }), { message: 'broken' })
  t.equal(feed.subscribers, 0)
  isBroken = false
  await feed.subscribe(subscriber, { after: null })
  feed.close()
  t.same(calls, ['end'])
  t.equal(feed.subscribers, 0)
})
