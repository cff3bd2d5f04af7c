import t from 'tap'
import {
  isOwnState,
  newState,
  stateKey,
} from '../../../../src/sources/shared-signals/streams/verification-state.ts'

const ISSUER = 'https://idp.example.com'

t.test('a state is authenticated with the secret, in any process', async (t) => {
  const [key, ofAnotherProcess] = await Promise.all([stateKey('secret', ISSUER), stateKey('secret', ISSUER)])
  const state = newState('stream-1', key)
  t.ok(isOwnState(state, 'stream-1', ofAnotherProcess))
  t.not(newState('stream-1', key), state)
  for (const other of [
    '',
    'made-up',
    '.',
    'a.b',
    `x${state}`,
    `${state}x`,
    `${state}.x`,
    state.split('.')[0] ?? '',
  ])
    t.notOk(isOwnState(other, 'stream-1', key), other)
  t.notOk(isOwnState(state, 'stream-2', key), 'it is for one stream')
  t.notOk(isOwnState(state, 'stream-1', await stateKey('other', ISSUER)))
  t.notOk(isOwnState(state, 'stream-1', await stateKey('secret', 'https://other.example.com')))
  t.equal(key.length, 32)
  t.notSame(key, Buffer.from('secret'))
})
