import { SHARED_SECRET } from '../forms.ts'
import { isEvent, member, type NamedPreset, oneOrMany } from '../preset.ts'
import { staticHeader } from '../verifiers.ts'

/**
 * Auth0 log streams to a custom webhook, as lines, list or object:
 * https://auth0.com/docs/customize/log-streams/custom-log-streams, types of log at
 * https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes
 */
export const auth0LogStream: NamedPreset = {
  secret: SHARED_SECRET,
  verifier: ({ secrets }) => staticHeader('Authorization', secrets),
  items: (body) => {
    const logs = member(body, 'logs')
    return Array.isArray(logs) ? logs : oneOrMany(body)
  },
  lines: true,
  // Each has the log itself inside.
  read: (event) => (isEvent(event.data) ? event.data : event),
  type: '{type}',
  events: { slo: 'logout', sdu: 'security', scp: 'security' },
  user: { as: 'subject', from: '{user_id}' },
  occurredAt: '/date',
  answer: 204,
}
