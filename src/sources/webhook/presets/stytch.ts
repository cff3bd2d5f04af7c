import { FORMATS } from '../../../base/config-formats.ts'
import { expand } from '../../common/template.ts'
import { type NamedPreset, one } from '../preset.ts'
import { standardWebhooks } from '../verifiers.ts'

/**
 * Stytch, by Svix: https://stytch.com/docs/workspace-management/webhooks, with event catalogues at
 * https://www.svix.com/event-types/us/org_2olWIePjxAFYube1xW8DoQUEnyY (users) and
 * https://www.svix.com/event-types/us/org_2XtyUqbN4SKO3pqtd1Yp5eNLYas (members)
 */
export const stytch: NamedPreset = {
  secret: FORMATS.svixSecret,
  verifier: ({ secrets }) => standardWebhooks(secrets),
  items: one,
  // The body contains the event name in three parts.
  normalize: (event) => ({
    ...event,
    event: expand('{source}.{object_type}.{action}', event)?.toLowerCase(),
  }),
  type: '{event}',
  events: {
    'direct.user.delete': 'security',
    'dashboard.user.delete': 'security',
    'direct.member.delete': 'security',
    'dashboard.member.delete': 'security',
    'scim.member.delete': 'security',
  },
  user: { as: 'subject', from: '{id}' },
  occurredAt: '/timestamp',
  answer: 204,
}
