import t from 'tap'
import { nextPoll } from '../../../../src/sources/shared-signals/streams/poll-pace.ts'
import { fakeClock } from '../../../support/clock.ts'
import { nextPause } from '../../../support/stream-time.ts'
import { acknowledged, checkOf, keepStreamAt, startTransmitter } from '../../../support/transmitter.ts'

for (const [name, jtiOf] of [
  ['events of ever new names', (count: number) => `fresh-${count}`],
  ['two events in turn', (count: number) => `turn-${count % 2}`],
] as const)
  t.test(`a transmitter that sends ${name} immediately is polled with pauses`, async (t) => {
    const clock = fakeClock()
    const fake = await startTransmitter(t)
    const polls = () => fake.asked.filter(({ path }) => path === '/poll').length
    fake.override('/poll', ({ path }) => ({
      status: 200,
      body: { sets: { [jtiOf(path.length + polls())]: 'no token' }, moreAvailable: true },
    }))
    const { service } = await keepStreamAt(t, fake, { clock })
    for (const count of [11, 12, 13, 14]) {
      t.equal(await nextPause(clock), 1_000)
      t.equal(polls(), count)
      clock.advance(1_000)
    }
    await nextPause(clock)
    t.match(await checkOf(service), { status: 'ok' })
  })

t.test('a backlog is fetched in full polls without pauses', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  for (let index = 0; index < 50 * 30; index += 1) fake.queue(`backlog-${index}`, 'no token')
  const { set } = await keepStreamAt(t, fake, { clock })
  await fake.until(acknowledged(await set()))
  t.equal(fake.asked.filter(({ body }) => Object.keys(body?.setErrs ?? {}).length === 50).length, 30)
})

t.test('the pause before the next poll depends on the last one', async (t) => {
  const few = { tookMs: 0, events: 1, isNothingNew: false, hasUndecided: false }
  const none = { ...few, events: 0, isNothingNew: true }
  t.same(nextPoll(few, 0), { waitMs: 0, quickPolls: 1 })
  t.same(nextPoll(few, 9), { waitMs: 0, quickPolls: 10 })
  t.same(nextPoll(few, 10), { waitMs: 1_000, quickPolls: 11 })
  t.same(nextPoll(few, 11), { waitMs: 1_000, quickPolls: 11 })
  t.same(nextPoll({ ...few, tookMs: 1_000 }, 11), { waitMs: 0, quickPolls: 0 }, 'the poll was held')
  t.same(nextPoll({ ...few, events: 50 }, 11), { waitMs: 0, quickPolls: 0 }, 'a backlog')
  t.same(nextPoll(none, 3), { waitMs: 5_000, quickPolls: 3 })
  t.same(nextPoll({ ...none, tookMs: 5_000 }, 3), { waitMs: 0, quickPolls: 0 }, 'it was held')
  t.same(nextPoll({ ...few, hasUndecided: true, tookMs: 9_000 }, 3), { waitMs: 5_000, quickPolls: 3 })
})
