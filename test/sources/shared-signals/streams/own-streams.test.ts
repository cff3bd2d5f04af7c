import t from 'tap'
import {
  asksForOthers,
  chooseStream,
  loneStream,
  ownStreams,
} from '../../../../src/sources/shared-signals/streams/own-streams.ts'
import { AUDIENCE } from '../../../support/shared-signals.ts'
import { POLL, PUSH } from '../../../support/transmitter.ts'

const URL_OF_OURS = 'https://curfew.example.com/sources/idp/events'
const stream = (
  id: string,
  description: string | null,
  method = POLL,
  endpoint_url = 'https://idp/poll',
) => ({
  stream_id: id,
  iss: 'https://idp',
  description,
  delivery: { method, endpoint_url },
})
const owner = (transmitter: { delivery: 'poll' } | { delivery: 'push'; pushUrl: string }) => ({
  config: {
    kind: 'shared-signals' as const,
    name: 'idp',
    issuer: 'https://idp',
    audience: AUDIENCE,
    algorithms: [],
  },
  transmitter: { token: 't', ...transmitter },
})
const polled = (streams: ReturnType<typeof stream>[], createdId: string | null = null) =>
  ownStreams(streams, owner({ delivery: 'poll' }), createdId).map(({ stream_id }) => stream_id)

t.test('polled streams are recognized by their description, lowest id first', async (t) => {
  const others = [stream('0', 'theirs'), stream('1', null), stream('2', 'Curfew (idp)', PUSH)]
  t.same(polled([...others, stream('d', 'Curfew (idp)'), stream('c', 'Curfew (idp)')]), ['c', 'd'])
  t.same(polled(others), [])
})

t.test('without descriptions, the only stream is used, or the created one', async (t) => {
  const lone = (...streams: ReturnType<typeof stream>[]) =>
    loneStream(streams, owner({ delivery: 'poll' }))?.stream_id ?? null
  t.equal(lone(stream('a', null)), 'a')
  t.equal(lone(stream('a', null), stream('p', null, PUSH)), 'a')
  t.equal(lone(stream('a', null), stream('b', null)), null)
  t.equal(lone(stream('a', 'of somebody')), null)
  t.equal(lone(), null)
  t.same(polled([stream('a', null)]), [], 'it may belong to another receiver')
  t.same(polled([stream('a', null), stream('b', null)]), [])
  t.same(polled([stream('a', null), stream('b', null)], 'b'), ['b'])
  t.same(polled([stream('a', null, 'another method')], 'a'), ['a'])
  t.same(polled([stream('a', null)], 'gone'), [])
})

t.test("another receiver's stream is chosen only if no further one is allowed", async (t) => {
  const chosen = (isOnlyOne: boolean, ...streams: object[]) =>
    chooseStream(streams as never, owner({ delivery: 'poll' }), { createdId: 'made', isOnlyOne })
      ?.stream_id ?? null
  const ours = stream('z', 'Curfew (idp)')
  t.equal(chosen(false, { ...ours, aud: 'other' }), null)
  t.equal(chosen(false, { ...ours, iss: 'https://other' }), null)
  t.equal(chosen(false, { ...ours, aud: ['other', AUDIENCE] }), 'z')
  t.equal(chosen(false, { ...ours, stream_id: 'a', aud: 'other' }, ours), 'z')
  t.equal(chosen(false, { ...ours, stream_id: 'made', iss: 'https://other' }), 'made')
  t.equal(chosen(false, stream('a', null)), null)
  t.equal(chosen(true, stream('a', null)), 'a')
  t.equal(chosen(true, { ...stream('a', null), aud: 'other' }, stream('b', null)), 'b')
  t.equal(chosen(true, { ...ours, aud: 'other' }), 'z', 'so that the problem can be reported')
  t.equal(chosen(true, stream('a', null), stream('b', null)), null)
})

t.test('a stream requests other events if a supported type is missing or superfluous', async (t) => {
  const table: [requested: string[] | null | undefined, supported: string[] | undefined, others: boolean][] =
    [
      [['a', 'b'], undefined, false],
      [['b', 'a', 'a'], undefined, false],
      [['a'], undefined, true],
      [['a', 'b', 'c'], undefined, true],
      [[], undefined, true],
      [['a'], ['a', 'c'], false],
      [['a', 'z'], ['a', 'c'], false],
      [['a', 'c'], ['a', 'c'], true],
      [['c'], ['a', 'c'], true],
      [undefined, ['a'], false],
      [null, undefined, false],
    ]
  for (const [events_requested, events_supported, others] of table) {
    const told = { ...stream('s', null), events_requested, events_supported }
    t.equal(asksForOthers(told, ['a', 'b']), others, JSON.stringify([events_requested, events_supported]))
  }
})

t.test('pushed streams are recognized by their address', async (t) => {
  const streams = [
    stream('a', 'Curfew (idp)', PUSH, 'https://elsewhere'),
    stream('c', null, PUSH, URL_OF_OURS),
    stream('b', 'other', 'https://schemas.openid.net/secevent/risc/delivery-method/push', URL_OF_OURS),
    stream('0', 'Curfew (idp)', POLL, URL_OF_OURS),
  ]
  const found = ownStreams(streams, owner({ delivery: 'push', pushUrl: URL_OF_OURS }), null)
  t.same(
    found.map(({ stream_id }) => stream_id),
    ['b', 'c'],
  )
  t.same(ownStreams(streams.slice(0, 1), owner({ delivery: 'push', pushUrl: URL_OF_OURS }), null), [])
})
