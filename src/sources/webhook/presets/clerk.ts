import { FORMATS } from '../../../base/config-formats.ts'
import { valueAt } from '../../common/template.ts'
import { type NamedPreset, one } from '../preset.ts'
import { standardWebhooks } from '../verifiers.ts'

/**
 * Clerk, by Svix: https://clerk.com/docs/guides/development/webhooks/overview, events and their data at
 * https://github.com/clerk/javascript/tree/main/packages/backend/src/api/resources, `Webhooks.ts` and `JSON.ts`
 */
export const clerk: NamedPreset = {
  secret: FORMATS.svixSecret,
  verifier: ({ secrets }) => standardWebhooks(secrets),
  items: one,
  // `data` is a session in session events, and the user in user events.
  normalize: (event) => {
    const isUser = valueAt(event, '/data/object') === 'user'
    return { ...event, user_id: valueAt(event, isUser ? '/data/id' : '/data/user_id') }
  },
  type: '{type}',
  events: {
    'session.ended': 'logout',
    'session.removed': 'logout',
    'session.revoked': 'logout',
    'user.deleted': 'security',
  },
  user: { as: 'subject', from: '{user_id}' },
  occurredAt: '/timestamp',
  answer: 204,
}
