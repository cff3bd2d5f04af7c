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

t.test('a damaged entry is left out', async (t) => {
  t.match(timelineOf(revocation, ['{', '{}', 'null']), [{ event: 'signal-accepted', at: T0 }])
})
