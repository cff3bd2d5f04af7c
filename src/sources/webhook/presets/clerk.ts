import { FORMATS } from '../../../base/config-formats.ts'
import { type NamedPreset, one, withUserId } from '../preset.ts'
import { standardWebhooks } from '../verifiers.ts'

/**
 * Clerk, by Svix: https://clerk.com/docs/guides/development/webhooks/overview, events and their data at
 * https://github.com/clerk/javascript/tree/main/packages/backend/src/api/resources, `Webhooks.ts` and `JSON.ts`
 */
export const clerk: NamedPreset = {
  secret: FORMATS.svixSecret,
  verifier: ({ secrets }) => standardWebhooks(secrets),
  items: one,
  normalize: withUserId,
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
