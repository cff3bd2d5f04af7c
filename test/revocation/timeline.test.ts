import t from 'tap'
import { timelineOf } from '../../src/revocation/timeline.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { aSignal, T0 } from '../support/signals.ts'

const ID = '01a1fdfa-4600-7000-8000-000000000000'
const revocation = newRevocation(ID, aSignal({ acceptedAt: T0 }))

/** An entry that revokes 200 tokens. */
function entry(sequence: number): string {
  const tokens = Array.from({ length: 200 }, (_, index) => ({ id: `t${index}`, answer: 'revoked', at: T0 }))
  const place = { v: 1, writer: ID, sequence, previous: null, at: T0 + sequence }
  const about = { event: 'tokens-revoked', by: null, address: null, tenant: 'default', revocation: ID }
  return JSON.stringify({ ...place, ...about, details: { tokens }, private: null })
}

t.test('the number of tokens is limited', async (t) => {
  const texts = Array.from({ length: 7 }, (_, index) => entry(7 - index))
  const steps = timelineOf(revocation, texts)
  t.equal(steps.length, 8)
  t.same(
    steps.map(({ details: { tokens, omitted } }) => [Array.isArray(tokens) && tokens.length, omitted]),
    [[false, undefined], ...Array.from({ length: 5 }, () => [200, undefined]), [false, 200], [false, 200]],
  )
})

t.test('listings and waits of an attempt precede its end; damaged ones are left out', async (t) => {
  const listing = { at: T0 + 5, pages: 1, found: 2, kept: 0, isComplete: true }
  const wait = { what: 'budget', at: T0 + 6, ms: 2_000 }
  const details = { error: 'CURFEW_QLIK_UNAVAILABLE', listings: [listing], waits: [wait] }
  const { at: _, ...listed } = listing
  const steps = timelineOf(revocation, [
    attempt(2, { error: null, listings: [{ pages: 1 }], waits: 7 }),
    attempt(1, details),
  ])
  t.match(steps.slice(1), [
    { event: 'listed', at: T0 + 5, details: listed },
    { event: 'waited', at: T0 + 2_006, details: { what: 'budget', ms: 2_000 } },
    { event: 'attempt-failed', at: T0 + 3_001 },
    { event: 'attempt-failed', at: T0 + 3_002 },
  ])
  t.equal(steps.length, 5)
  t.same(steps[3]?.details, { error: 'CURFEW_QLIK_UNAVAILABLE' })
})

/** An entry of a failed attempt. */
function attempt(sequence: number, details: object): string {
  const place = { v: 1, writer: ID, sequence, previous: null, at: T0 + 3_000 + sequence }
  const about = { event: 'attempt-failed', by: null, address: null, tenant: 'default', revocation: ID }
  return JSON.stringify({ ...place, ...about, details, private: null })
}

t.test('a damaged entry is left out', async (t) => {
  t.match(timelineOf(revocation, ['{', '{}', 'null']), [{ event: 'signal-accepted', at: T0 }])
})
