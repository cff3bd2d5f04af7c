import t from 'tap'
import { nextAttemptAt } from '../../src/notifications/retry-schedule.ts'

const HOUR_MS = 60 * 60_000
const GIVE_UP_AT = 72 * HOUR_MS
const base = { random: 0.5, askedMs: 0, giveUpAt: GIVE_UP_AT }

t.test('a receiver that is down for days gets eleven attempts, the last after three days', async (t) => {
  const times = [0]
  for (let now = 0, attempts = 1; ; attempts += 1) {
    const next = nextAttemptAt({ ...base, attempts, now })
    if (next === null) break
    t.ok(next > now)
    times.push(next)
    now = next
  }
  t.equal(times.length, 11)
  t.equal(times.at(-1), GIVE_UP_AT)
  t.equal(times[1], 5_000)
})

t.test('waits differ by up to a fifth', async (t) => {
  t.equal(nextAttemptAt({ ...base, attempts: 1, now: 0, random: 0 }), 4_000)
  t.equal(nextAttemptAt({ ...base, attempts: 1, now: 0, random: 1 }), 6_000)
})

t.test('Retry-After is respected, up to the longest wait and the end', async (t) => {
  t.equal(nextAttemptAt({ ...base, attempts: 1, now: 0, askedMs: 60_000 }), 60_000)
  t.equal(nextAttemptAt({ ...base, attempts: 2, now: 0, askedMs: 1 }), 300_000, 'never earlier')
  t.equal(nextAttemptAt({ ...base, attempts: 1, now: 0, askedMs: 1e15 }), 20 * HOUR_MS)
  t.equal(nextAttemptAt({ ...base, attempts: 1, now: GIVE_UP_AT - 10, askedMs: 60_000 }), GIVE_UP_AT)
})
