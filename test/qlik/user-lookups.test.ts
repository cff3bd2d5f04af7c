import t from 'tap'
import { UserLookups } from '../../src/qlik/user-lookups.ts'
import { QlikFailure, type UserMatch } from '../../src/revocation/qlik-tenant.ts'
import type { UserReference } from '../../src/revocation/signal.ts'
import { fakeClock } from '../support/clock.ts'
import { rejection } from '../support/events.ts'

const email = (value: string) => ({ kind: 'email' as const, value })
const MATCHES: UserMatch[] = [
  { id: '1', value: 'Ann@example.com' },
  { id: '2', value: 'bob@example.com' },
]

type Answer = (users: readonly UserReference[], urgency: number) => Promise<UserMatch[]>

/** Lookups over two users; each search waits until the test continues it. */
function setUp(answer: Answer = async (users) => MATCHES.filter(({ value }) => isAsked(users, value))) {
  const clock = fakeClock()
  const searches: string[][] = []
  let gate = Promise.resolve()
  const lookups = new UserLookups(async (users, urgency) => {
    searches.push(users.map(({ value }) => value))
    await gate
    return { matches: await answer(users, urgency), seesAll: true }
  }, clock)
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    gate = promise
    return resolve
  }
  const find = async (user: UserReference, urgency: number) => {
    const { matches, seesAll } = await lookups.find(user, urgency)
    if (!seesAll) throw new Error('not all')
    return matches
  }
  return { clock, searches, lookups: { find }, hold }
}

function isAsked(users: readonly UserReference[], value: string): boolean {
  return users.some((user) => user.value.toLowerCase() === value.toLowerCase())
}

t.test('a name is looked up once in half a minute', async (t) => {
  const { clock, searches, lookups } = setUp()
  t.same(await lookups.find(email('ann@example.com'), 1), [MATCHES[0]])
  t.same(await lookups.find(email('ann@example.com'), 1), [MATCHES[0]])
  t.equal(searches.length, 1)
  clock.advance(30_000)
  await lookups.find(email('ann@example.com'), 1)
  t.equal(searches.length, 2)
})

t.test('a result for one name is not used for another one, however similar', async (t) => {
  const { searches, lookups } = setUp()
  const names = ['bob@example.com', 'BOB@example.com', 'b\u00F6b@example.com', 'bo\u0062\u0308@example.com']
  for (const name of names) await lookups.find(email(name), 1)
  t.same(
    searches,
    names.map((name) => [name]),
  )
})

t.test('names that a comparison could confuse do not share a call', async (t) => {
  const { searches, lookups, hold } = setUp()
  const release = hold()
  const busy = Array.from({ length: 4 }, (_, index) => lookups.find(email(`a${index}`), 1))
  const names = ['kate', 'Kate', '\u212Aate', 'straße', 'strasse', 'KATE', 'ben']
  const found = names.map((name) => lookups.find(email(name), 1))
  release()
  await Promise.all([...busy, ...found])
  t.same(searches.slice(4), [['kate', 'strasse', 'ben'], ['Kate'], ['\u212Aate'], ['straße'], ['KATE']])
})

t.test('an urgent name does not wait behind others, even if those are under way', async (t) => {
  const asked: [string[], number][] = []
  const held = Promise.withResolvers<void>()
  const { lookups } = setUp(async (users, urgency) => {
    asked.push([users.map(({ value }) => value), urgency])
    // As if the budget were short: urgent calls go first.
    if (urgency > 0) await held.promise
    return []
  })
  const others = Array.from({ length: 30 }, (_, index) => lookups.find(email(`\u00e4${index}`), 3))
  await lookups.find(email('urgent'), 0)
  t.same(asked.at(-1), [['urgent'], 0])
  t.equal(asked.length, 5, 'four of the others')
  held.resolve()
  await Promise.all(others)
  t.equal(asked.length, 31)
})

t.test('a name that matches similar ones is looked up alone, and gets all matches', async (t) => {
  const similar = { id: '3', value: '\u212Aate' }
  const { lookups, searches, hold } = setUp(async (users) => {
    const found = isAsked(users, 'kate') ? [similar] : []
    // Same as the client.
    if (users.length > 1 && found.length > 0) throw new QlikFailure('unreadable', 'not requested')
    return [...found, ...MATCHES.filter(({ value }) => isAsked(users, value))]
  })
  const release = hold()
  const busy = Array.from({ length: 4 }, (_, index) => lookups.find(email(`a${index}`), 1))
  const both = [lookups.find(email('kate'), 1), lookups.find(email('bob@example.com'), 1)]
  release()
  await Promise.all(busy)
  t.same(await Promise.all(both), [[similar], [MATCHES[1]]])
  t.same(searches.slice(4), [['kate', 'bob@example.com'], ['kate'], ['bob@example.com']])
})

t.test('an unknown name is remembered for two seconds', async (t) => {
  const { clock, searches, lookups } = setUp()
  t.same(await lookups.find(email('nobody@example.com'), 1), [])
  clock.advance(1_999)
  t.same(await lookups.find(email('nobody@example.com'), 1), [])
  t.equal(searches.length, 1)
  clock.advance(1)
  await lookups.find(email('nobody@example.com'), 1)
  t.equal(searches.length, 2)
})

t.test('a burst of names takes a tenth of the calls, and each gets its own result', async (t) => {
  const { searches, lookups, hold } = setUp()
  const release = hold()
  const names = [
    ...Array.from({ length: 102 }, (_, index) => `nobody-${index}`),
    'ann@example.com',
    'bob@example.com',
  ]
  const found = Promise.all(names.map((name) => lookups.find(email(name), 1)))
  release()
  const answers = await found
  t.same(answers.slice(-2), [[MATCHES[0]], [MATCHES[1]]])
  t.same(answers[0], [])
  t.ok(searches.length <= 14, `${searches.length} calls for 104 names`)
})

t.test('names of different kinds do not share a call, and resolve to different users', async (t) => {
  const { searches, lookups, hold } = setUp()
  const release = hold()
  const one = Array.from({ length: 4 }, (_, index) => lookups.find(email(`a${index}`), 1))
  const rest = [lookups.find(email('x'), 1), lookups.find({ kind: 'subject', value: 'x' }, 1)]
  release()
  await Promise.all([...one, ...rest])
  t.same(searches.slice(4), [['x'], ['x']])
})

t.test('lookups of the same name share one call, with the highest urgency', async (t) => {
  const urgencies: number[] = []
  const { lookups, hold } = setUp(async (_users, urgency) => {
    urgencies.push(urgency)
    return []
  })
  const release = hold()
  const busy = Array.from({ length: 4 }, (_, index) => lookups.find(email(`a${index}`), 2))
  const same = [lookups.find(email('x'), 2), lookups.find(email('x'), 0)]
  release()
  await Promise.all([...busy, ...same])
  t.same(urgencies, [2, 2, 2, 2, 0])
})

t.test('a failure reaches all waiting callers, and is not remembered', async (t) => {
  let isDown = true
  const { lookups } = setUp(async () => {
    if (isDown) throw new QlikFailure('unavailable', 'no answer')
    return MATCHES.slice(0, 1)
  })
  t.match(await rejection(lookups.find(email('ann@example.com'), 1)), { kind: 'unavailable' })
  isDown = false
  t.equal((await lookups.find(email('ann@example.com'), 1)).length, 1)
})

t.test('if several names are rejected together, each is looked up alone', async (t) => {
  const { lookups, hold } = setUp(async (users) => {
    if (users.length > 1) throw new QlikFailure('rejected', 'too many terms')
    return MATCHES.filter(({ value }) => isAsked(users, value))
  })
  const release = hold()
  const busy = Array.from({ length: 4 }, (_, index) => lookups.find(email(`a${index}`), 2))
  const both = [lookups.find(email('ann@example.com'), 1), lookups.find(email('bob@example.com'), 1)]
  release()
  await Promise.all(busy)
  t.same(await Promise.all(both), [[MATCHES[0]], [MATCHES[1]]])
})

t.test('the number of remembered names is limited', async (t) => {
  const { searches, lookups } = setUp()
  for (let index = 0; index < 1_001; index += 1) await lookups.find(email(`u${index}`), 1)
  await lookups.find(email('u1000'), 1)
  t.equal(searches.length, 1_001)
  await lookups.find(email('u0'), 1)
  t.equal(searches.length, 1_002)
})
