import t from 'tap'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'

const event = (type: string, data: object) => ({ data, object: 'event', timestamp: 1654012591835, type })
const session = { id: 'sess_1', object: 'session', user_id: 'user_1' }

t.test('every kind of session end is a logout', async (t) => {
  for (const [type, reason] of [
    ['session.ended', 'logout'],
    ['session.removed', 'logout'],
    ['session.revoked', 'logout'],
  ] as const) {
    t.match(judged('clerk', event(type, session)), {
      signals: [`${reason} subject user_1`],
      times: ['2022-05-31T15:56:31.835Z'],
    })
  }
})

t.test('a deleted user is identified by the data itself', async (t) => {
  const deleted = { deleted: true, id: 'user_29wBMCtzATuFJut8jO2VNTVekS4', object: 'user' }
  t.same(judged('clerk', event('user.deleted', deleted)).signals, [
    'security subject user_29wBMCtzATuFJut8jO2VNTVekS4',
  ])
})

t.test('other events are ignored, and a session without a user is rejected', async (t) => {
  t.same(judged('clerk', event('session.created', session)), IGNORED)
  t.same(judged('clerk', event('user.updated', { id: 'user_1', object: 'user' })), IGNORED)
  t.same(judged('clerk', event('session.ended', { id: 'sess_1', object: 'session' })), REJECTED)
})
