import t from 'tap'
import { MassBrake, NO_BRAKE } from '../../src/revocation/mass-brake.ts'
import type { Origin } from '../../src/revocation/origin.ts'
import { aSignal, T0 } from '../support/signals.ts'

const WINDOW_MS = 600_000
const LIMITS = { users: 3, windowMs: WINDOW_MS }
const IDP: Origin = { kind: 'source', name: 'idp', id: 'idp', address: null }

/** The verdicts about users that a sender names, by name and time. */
function judgeAll(brake: MassBrake, users: readonly (readonly [userId: string, at: number])[], origin = IDP) {
  return users.map(([userId, at]) => brake.judge(origin, aSignal({ userId }), T0 + at)).join(' ')
}

t.test('it holds what a sender names beyond the limit, and what it names again', async (t) => {
  const brake = new MassBrake(LIMITS)
  const users = ['a', 'b', 'c', 'a', 'd', 'a', 'e'].map((userId) => [userId, 0] as const)
  t.equal(judgeAll(brake, users), 'run run run run hold hold hold')
})

t.test('the window slides, and held users count', async (t) => {
  const cases: [name: string, users: (readonly [string, number])[], expected: string][] = [
    [
      'below',
      [
        ['a', 0],
        ['b', 1],
        ['c', 2],
        ['d', WINDOW_MS],
      ],
      'run run run run',
    ],
    [
      'a moment too early',
      [
        ['a', 0],
        ['b', 1],
        ['c', 2],
        ['d', WINDOW_MS - 1],
      ],
      'run run run hold',
    ],
    [
      'held ones count',
      [
        ['a', 0],
        ['b', 0],
        ['c', 0],
        ['d', 5],
        ['e', 6],
        ['f', WINDOW_MS + 4],
      ],
      'run run run hold hold run',
    ],
    [
      'until they expire',
      [
        ['a', 0],
        ['b', 4],
        ['c', 4],
        ['d', 5],
        ['e', WINDOW_MS + 3],
      ],
      'run run run hold hold',
    ],
    [
      'named again',
      [
        ['a', 0],
        ['b', 1],
        ['c', 2],
        ['a', WINDOW_MS / 2],
        ['d', WINDOW_MS + 1.5],
        ['e', WINDOW_MS + 1.6],
      ],
      'run run run run run hold',
    ],
  ]
  for (const [name, users, expected] of cases) t.equal(judgeAll(new MassBrake(LIMITS), users), expected, name)
})

t.test('senders are told apart by kind and credential, not by name', async (t) => {
  const brake = new MassBrake({ ...LIMITS, users: 1 })
  t.equal(
    judgeAll(brake, [
      ['a', 0],
      ['b', 0],
    ]),
    'run hold',
  )
  t.equal(judgeAll(brake, [['c', 0]], { ...IDP, kind: 'api-key' }), 'run')
  t.equal(judgeAll(brake, [['c', 0]], { ...IDP, id: 'other' }), 'run')
  t.equal(judgeAll(brake, [['c', 0]], { ...IDP, name: 'renamed' }), 'hold')
})

t.test('exempt senders, Curfew itself and a limit of 0 are not counted', async (t) => {
  const brake = new MassBrake({ ...LIMITS, users: 1 })
  t.equal(
    judgeAll(
      brake,
      [
        ['a', 0],
        ['b', 0],
        ['c', 0],
      ],
      { ...IDP, massRevocation: true },
    ),
    'run run run',
  )
  t.equal(judgeAll(brake, [['d', 0]]), 'run', 'what it named while exempt does not count')
  t.equal(brake.judge(undefined, aSignal({ userId: 'e' }), T0), 'run')
  t.equal(
    judgeAll(new MassBrake(NO_BRAKE), [
      ['a', 0],
      ['b', 0],
    ]),
    'run run',
  )
})

t.test('what is saved teaches another process', async (t) => {
  const [brake, other] = [new MassBrake(LIMITS), new MassBrake(LIMITS)]
  judgeAll(brake, [
    ['a', 0],
    ['b', 0],
  ])
  const saved = brake.unsaved()
  t.same(
    saved.map(({ users }) => users.length),
    [12],
  )
  brake.saved(saved)
  t.same(brake.unsaved(), [])
  judgeAll(brake, [
    ['a', 1],
    ['c', 1],
  ])
  t.same(
    brake.unsaved().map(({ users }) => users.length),
    [6],
    'only new users are saved',
  )
  for (const one of [...saved, ...saved, ...brake.unsaved()]) other.learn(one, T0, T0 + 2)
  t.same(other.unsaved(), [], 'what is learned is not saved again')
  t.equal(
    judgeAll(other, [
      ['b', 3],
      ['c', 3],
      ['d', 3],
    ]),
    'run run hold',
  )
  const late = new MassBrake(LIMITS)
  for (const one of saved) late.learn(one, T0, T0 + WINDOW_MS)
  t.equal(
    judgeAll(late, [
      ['x', WINDOW_MS],
      ['y', WINDOW_MS],
      ['z', WINDOW_MS],
    ]),
    'run run run',
    'old users are not learned',
  )
})

t.test('what could not be saved is offered again', async (t) => {
  const brake = new MassBrake(LIMITS)
  judgeAll(brake, [['a', 0]])
  t.strictSame(brake.unsaved(), brake.unsaved())
  t.equal(brake.unsaved().length, 1)
})

t.test('a sender far from the limit is not saved', async (t) => {
  const brake = new MassBrake({ users: 100, windowMs: WINDOW_MS })
  const users = Array.from({ length: 6 }, (_, index) => [`u${index}`, 0] as const)
  judgeAll(brake, users.slice(0, 5))
  t.same(brake.unsaved(), [])
  judgeAll(brake, users)
  t.same(
    brake.unsaved().map(({ users }) => users.length),
    [36],
    'then with everything it has named',
  )
})

t.test('it keeps one user more than the limit per sender', async (t) => {
  const brake = new MassBrake({ users: 50, windowMs: WINDOW_MS })
  for (let index = 0; index < 500; index += 1) judgeAll(brake, [[`u${index}`, 0]])
  t.same(
    brake.unsaved().map(({ users }) => users.length / 6),
    [51],
  )
})

t.test('users expire after the clock was set back', async (t) => {
  const day = 86_400_000
  const brake = new MassBrake(LIMITS)
  t.equal(
    judgeAll(brake, [
      ['a', day],
      ['b', day],
      ['c', day],
      ['d', day],
    ]),
    'run run run hold',
  )
  t.equal(judgeAll(brake, [['e', 0]]), 'hold')
  t.equal(
    judgeAll(brake, [
      ['f', WINDOW_MS - 1],
      ['g', WINDOW_MS],
    ]),
    'hold run',
  )
})
