import t from 'tap'
import { isOwnState, newState } from '../../../src/sources/streams/verification-state.ts'

t.test('a state proves itself by the secret, in whichever process', async (t) => {
  const state = newState('secret')
  t.ok(isOwnState(state, 'secret'))
  t.not(newState('secret'), state)
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
    t.notOk(isOwnState(other, 'secret'), other)
  t.notOk(isOwnState(state, 'other'))
})
