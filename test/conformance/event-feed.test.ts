import { EventFeed, EventId, type FeedEvent } from '../../src/revocation/audit/event-feed.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { accept, claim, eachStore, SILENT } from './stores.ts'

const POLL_MS = 1_000

function openFeed(store: RevocationStore) {
  const clock = fakeClock(T0)
  return { clock, feed: new EventFeed({ audit: store.audit, clock, log: SILENT }) }
}

/** A subscriber that collects events. `upTo` resolves when it has this many, and reads new ones until then. */
function collector(clock: FakeClock) {
  const events: FeedEvent[] = []
  let more = Promise.withResolvers<void>()
  return {
    events,
    subscriber: {
      onEvents: (some: readonly FeedEvent[]) => {
        events.push(...some)
        more.resolve()
      },
      onGap: () => {},
      onEnd: () => {},
    },
    async upTo(count: number) {
      while (events.length < count) {
        more = Promise.withResolvers()
        clock.advance(POLL_MS)
        await more.promise
      }
      return events
    },
  }
}

eachStore(async (t, opened) => {
  t.test('a subscriber receives what happens from then on, each event once', async (t) => {
    const store = await opened(t)
    await accept(store, { userId: 'before' })
    const { clock, feed } = openFeed(store)
    const { subscriber, upTo } = collector(clock)
    await feed.subscribe(subscriber, { after: null })
    const ids = ['a', 'b', 'c', 'd'].map(async (userId) => {
      const { revocations } = await store.accept([aSignal({ userId })], null, T0)
      return revocations[0]?.id
    })
    const accepted = await Promise.all(ids)
    const events = await upTo(4)
    t.same(events.map(({ revocation }) => revocation).toSorted(), accepted.toSorted())
    t.match(events[0], {
      event: 'signal-accepted',
      tenant: 'default',
      by: null,
      details: { reason: 'logout' },
    })
    t.notMatch(JSON.stringify(events), /user/i, 'no personal data')
    feed.close()
  })

  t.test('a subscriber that comes back receives what it missed, then what is new', async (t) => {
    const store = await opened(t)
    const { clock, feed } = openFeed(store)
    const first = collector(clock)
    const stop = await feed.subscribe(first.subscriber, { after: null })
    await accept(store, { userId: 'a' })
    const [seen] = await first.upTo(1)
    stop()
    const missed = await accept(store, { userId: 'b' })
    const second = collector(clock)
    await feed.subscribe(second.subscriber, { after: EventId.parse(seen?.id) })
    t.match(second.events, [{ revocation: missed.id }], 'at once')
    await claim(store)
    const later = await accept(store, { userId: 'c' })
    t.match(await second.upTo(2), [{ revocation: missed.id }, { revocation: later.id }])
    t.equal(second.events.length, 2)
    feed.close()
  })
})
