import t from 'tap'
import { IGNORED, judged } from '../../support/judged.ts'

const event = (source: string, object: string, action: string) => ({
  action,
  event_id: 'webhook-event-test-00000000-0000-0000-0000-000000000000',
  id: `${object}-test-00000000-0000-0000-0000-000000000000`,
  object_type: object,
  project_id: 'project-test-00000000-0000-0000-0000-000000000000',
  source,
  timestamp: '2024-01-02T03:04:05.678901Z',
  vertical: object === 'user' ? 'CONSUMER' : 'B2B',
})

t.test('a deleted user, and a deleted member of an organization, lose their sessions', async (t) => {
  for (const [source, object] of [
    ['DASHBOARD', 'user'],
    ['DIRECT', 'user'],
    ['DASHBOARD', 'member'],
    ['SCIM', 'member'],
  ] as const) {
    t.match(judged('stytch', event(source, object, 'DELETE')), {
      signals: [`security subject ${object}-test-00000000-0000-0000-0000-000000000000`],
      times: ['2024-01-02T03:04:05.678Z'],
    })
  }
})

t.test('other creations, changes and deletions are ignored', async (t) => {
  t.same(judged('stytch', event('DASHBOARD', 'user', 'UPDATE')), IGNORED)
  t.same(judged('stytch', event('DIRECT', 'organization', 'DELETE')), IGNORED)
})

t.test("an entry names further events in Stytch's form", async (t) => {
  const events = { 'direct.user.update': 'logout' } as const
  t.same(judged('stytch', event('DIRECT', 'user', 'UPDATE'), { events }).signals, [
    'logout subject user-test-00000000-0000-0000-0000-000000000000',
  ])
  t.same(judged('stytch', event('DIRECT', 'user', 'DELETE'), { events }), IGNORED)
})
