import t from 'tap'
import { join } from '../../src/revocation/joined-signals.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { Status } from '../../src/revocation/revocation.ts'
import { StatusView, view } from '../../src/revocation/revocation-view.ts'
import * as transitions from '../../src/revocation/transitions.ts'
import { aCompletion, aFailure, FAILURE, PROOF, TOKENS, waiting } from '../conformance/stores.ts'
import { read } from '../support/deployment.ts'
import { aSignal, T0 } from '../support/signals.ts'

const [, DIAGRAM = ''] = /^```mermaid\n([\s\S]*?)^```/m.exec(read('docs/states.md')) ?? []
const SENDER = { kind: 'source', name: 'okta', id: 'okta' } as const

const queued = transitions.newRevocation('id', aSignal())
const held = transitions.newHeld('id', aSignal(), SENDER)
const running = transitions.claim(queued, T0)
const proven = transitions.end(running, aCompletion())
const other = transitions.newRevocation('other', aSignal())
const failed = transitions.end(running, aFailure())
const superseded = { ...failed, supersededBy: 'other' }
const ALL: Revocation[] = [
  ...[queued, held, running, proven, failed, superseded],
  transitions.withdraw(queued, { now: T0, by: null, force: false }),
  transitions.end(running, aCompletion({ verificationDueAt: T0 + 6_000 })),
  transitions.end(running, aCompletion({ verified: false })),
]

const LISTINGS: transitions.Confirmation[] = [
  { found: 'nothing', proof: PROOF, kept: 0, undecided: 0, resolved: ['u1'] },
  { found: 'nothing', proof: PROOF, kept: 0, undecided: 1, resolved: ['u1'] },
  { found: 'tokens', remaining: 1, now: T0 },
  {
    found: 'unknown',
    error: FAILURE,
    fruitless: 1,
    failingSince: T0,
    backoffMs: 9,
    verificationDueAt: T0 + 9,
  },
]

const ENDINGS = [aCompletion(), aCompletion({ verificationDueAt: T0 + 6_000 }), aFailure()]

/** What can happen to a revocation in these stored states, as the stores apply it. */
const EVENTS: [from: Status[], apply: (revocation: Revocation) => (Revocation | null)[]][] = [
  [['queued', 'held'], (one) => [join(one, aSignal({ reason: 'security' }))]],
  [['queued', 'running'], (one) => [transitions.claim(one, T0)]],
  [['running'], (one) => [transitions.progress(one, TOKENS), transitions.recover(one, null).queued]],
  [['running'], (one) => [transitions.putBack(one, waiting(one, T0), other).queued]],
  [
    ['running'],
    (one) => ALL.filter(({ status }) => status === 'failed').map(() => transitions.end(one, aFailure())),
  ],
  [['running'], (one) => ENDINGS.map((ending) => transitions.end(one, ending))],
  [['completed'], (one) => LISTINGS.map((listing) => confirmed(one, listing))],
  [['completed'], (one) => [transitions.confirmBy(one, proven)]],
  [Status.options, (one) => [null, other].map((beside) => retried(one, beside))],
  [['held'], (one) => [transitions.release(one, T0, null), transitions.cancel(one, T0, null)]],
  [Status.options, (one) => [orNull(() => transitions.withdraw(one, { now: T0, by: null, force: true }))]],
]

function confirmed(completed: Revocation, listing: transitions.Confirmation): Revocation {
  const result = transitions.confirm(completed, listing, null)
  return 'confirmed' in result ? result.confirmed : result.queued
}

function retried(revocation: Revocation, beside: Revocation | null): Revocation | null {
  return orNull(() => {
    const retry = transitions.retry(revocation, beside, T0)
    return retry.change === 'widened' ? retry.superseded : retry.answer
  })
}

/** Null if it is refused. */
function orNull(apply: () => Revocation): Revocation | null {
  try {
    return apply()
  } catch {
    return null
  }
}

/** The state in the diagram. */
function stateOf(revocation: Revocation): string {
  const { status, verified } = view(revocation, null, null)
  return status === 'completed' ? (verified ? 'verified' : 'unverified') : status
}

t.test('the diagram shows all states, and the transitions of the code and no others', async (t) => {
  const edges = new Set(['[*] --> queued', '[*] --> held'])
  for (const before of ALL)
    for (const [from, apply] of EVENTS) {
      if (!from.includes(before.status)) continue
      for (const after of apply(before))
        if (after && after !== before) edges.add(`${stateOf(before)} --> ${stateOf(after)}`)
    }
  const drawn = [...DIAGRAM.matchAll(/^ +(\S+ --> \S+) : \S/gm)].map(([, edge]) => String(edge))
  t.same([...drawn].sort(), [...edges].sort())
  const states = new Set(drawn.flatMap((edge) => edge.split(' --> ')))
  const all = StatusView.options.flatMap((status) =>
    status === 'completed' ? ['unverified', 'verified'] : status,
  )
  t.same([...states].sort(), ['[*]', ...all].sort())
})

t.test('the page explains each status of the API', async (t) => {
  const rows = [...read('docs/states.md').matchAll(/^\| `(\w+)` \| /gm)].map(([, status]) => String(status))
  t.same(rows.sort(), [...StatusView.options].sort())
})
