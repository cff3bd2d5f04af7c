import t from 'tap'
import { TokenMemory } from '../../src/qlik/token-memory.ts'
import type { Gone } from '../../src/revocation/qlik-tenant.ts'
import { type CallOptions, QlikFailure } from '../../src/revocation/qlik-tenant.ts'
import { fakeClock } from '../support/clock.ts'
import { rejection } from '../support/events.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
const forbidden = new QlikFailure('forbidden', 'no')

/** A memory with deletes that wait for their permit, and then for their response, until the test continues them. */
function setUp() {
  const clock = fakeClock()
  const memory = new TokenMemory(clock)
  const deletes: {
    id: string
    call: CallOptions
    /** Sends the delete, and answers it. */
    begin: () => void
    answer: PromiseWithResolvers<Gone>
    sent: boolean
  }[] = []
  const revoke = (id: string, call: Partial<CallOptions> = {}) =>
    memory.revoke(id, { urgency: 1, signal: new AbortController().signal, ...call }, async (own, shield) => {
      const turn = Promise.withResolvers<void>()
      const answer = Promise.withResolvers<Gone>()
      const entry = { id, call: own, begin: turn.resolve, answer, sent: false }
      deletes.push(entry)
      own.signal.addEventListener('abort', () => turn.reject(own.signal.reason))
      await turn.promise
      return shield(() => {
        entry.sent = true
        return answer.promise
      })
    })
  const answer = async (how: Gone | QlikFailure) => {
    const last = deletes.at(-1)
    last?.begin()
    await settle()
    if (typeof how === 'string') last?.answer.resolve(how)
    else last?.answer.reject(how)
    await settle()
  }
  return { clock, memory, deletes, revoke, answer }
}

t.test('a delete is shared while under way, and remembered for a minute', async (t) => {
  const { clock, memory, deletes, revoke, answer } = setUp()
  const both = Promise.all([revoke('a'), revoke('a')])
  await settle()
  t.equal(memory.fateOf('a'), null)
  await answer('revoked')
  t.same(await both, ['revoked', 'revoked'])
  clock.advance(59_999)
  t.equal(await revoke('a'), 'revoked')
  t.equal(deletes.length, 1)
  clock.advance(1)
  const again = revoke('a')
  await answer('already-gone')
  t.equal(await again, 'revoked', 'this process revoked it, whatever the repeated delete returned')
  t.equal(deletes.length, 2)
  t.match(memory.fateOf('a'), { kind: 'gone', how: 'revoked', since: 1_000, at: 61_000 })
})

t.test('a token that was already gone is remembered as such', async (t) => {
  const { revoke, answer } = setUp()
  const first = revoke('a')
  await answer('already-gone')
  t.equal(await first, 'already-gone')
  t.equal(await revoke('a'), 'already-gone')
})

t.test('a refusal is remembered, but the next delete is made; a transient failure is not', async (t) => {
  const { clock, memory, deletes, revoke, answer } = setUp()
  const refused = Promise.allSettled([revoke('a'), revoke('a')])
  await answer(forbidden)
  t.match(await refused, [{ reason: forbidden }, { reason: forbidden }], 'all waiting callers receive it')
  t.match(memory.fateOf('a'), { kind: 'refused', failure: forbidden, at: clock.monotonic() })
  const again = rejection(revoke('a'))
  await answer(new QlikFailure('unavailable', 'down'))
  t.match(await again, { kind: 'unavailable' })
  t.match(memory.fateOf('a'), { kind: 'refused' })
  const last = revoke('a')
  await answer('revoked')
  t.equal(await last, 'revoked')
  t.match(memory.fateOf('a'), { kind: 'gone' })
  t.equal(deletes.length, 3)
})

t.test('a caller that gives up does not abort the delete for the others', async (t) => {
  const { deletes, revoke, answer } = setUp()
  const giveUp = new AbortController()
  const first = revoke('a', { signal: giveUp.signal })
  const second = revoke('a')
  await settle()
  giveUp.abort(new Error('enough'))
  t.match(await rejection(first), { message: 'enough' })
  t.notOk(deletes[0]?.call.signal.aborted)
  await answer('revoked')
  t.equal(await second, 'revoked')
})

t.test(
  'when all callers give up, the delete is aborted unless it was sent, and then remembered',
  async (t) => {
    const { memory, deletes, revoke, answer } = setUp()
    for (const isSent of [false, true]) {
      const giveUp = new AbortController()
      const only = revoke('a', { signal: giveUp.signal })
      await settle()
      if (isSent) deletes.at(-1)?.begin()
      await settle()
      giveUp.abort(new Error('enough'))
      t.match(await rejection(only), { message: 'enough' })
      t.equal(deletes.at(-1)?.call.signal.aborted, !isSent)
      t.equal(deletes.at(-1)?.sent, isSent)
    }
    const joined = revoke('a')
    await answer('revoked')
    t.equal(await joined, 'revoked')
    t.equal(deletes.length, 2)
    t.match(memory.fateOf('a'), { kind: 'gone' })
  },
)

t.test('an aborted delete is not shared with the next caller', async (t) => {
  const { deletes, revoke, answer } = setUp()
  const giveUp = new AbortController()
  const first = revoke('a', { signal: giveUp.signal })
  await settle()
  giveUp.abort(new Error('enough'))
  const [, second] = [await rejection(first), revoke('a')]
  await answer('revoked')
  t.equal(await second, 'revoked')
  t.equal(deletes.length, 2)
})

t.test('a delete waits with the urgency of its most urgent caller', async (t) => {
  const { deletes, revoke, answer } = setUp()
  const all = [revoke('a', { urgency: 2 })]
  await settle()
  all.push(revoke('a', { urgency: 0 }), revoke('a', { urgency: 1 }))
  await settle()
  t.same(
    deletes.map(({ call }) => [call.urgency, call.signal.aborted]),
    [
      [2, true],
      [0, false],
    ],
  )
  await answer('revoked')
  t.same(await Promise.all(all), ['revoked', 'revoked', 'revoked'])
  t.same(
    deletes.map(({ sent }) => sent),
    [false, true],
  )
})

t.test('old fates are forgotten, and memory is bounded', async (t) => {
  const clock = fakeClock()
  const memory = new TokenMemory(clock)
  const call = { urgency: 1, signal: new AbortController().signal }
  const revoke = (id: string) => memory.revoke(id, call, (_, shield) => shield(async () => 'revoked'))
  await revoke('old')
  clock.advance(600_000)
  t.equal(memory.fateOf('old'), null)
  for (let index = 0; index <= 100_000; index += 1) await revoke(`token-${index}`)
  t.equal(memory.fateOf('token-0'), null)
  t.match(memory.fateOf('token-1'), { kind: 'gone' })
  t.match(memory.fateOf('token-100000'), { kind: 'gone' })
})
