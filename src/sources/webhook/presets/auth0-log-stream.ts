import { FORMS } from '../../../base/config-forms.ts'
import { valueAt } from '../../common/template.ts'
import { isEvent, type NamedPreset, oneOrMany } from '../preset.ts'
import { staticHeader } from '../verifiers.ts'

/**
 * Auth0 log streams to a custom webhook, as lines, list or object:
 * https://auth0.com/docs/customize/log-streams/custom-log-streams, types of log at
 * https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes. What the object looks like is not documented: it may be a
 * log, or hold `logs`.
 */
export const auth0LogStream: NamedPreset = {
  secret: FORMS.sharedSecret,
  verifier: ({ secrets }) => staticHeader('Authorization', secrets),
  items: (body) => {
    const logs = valueAt(body, '/logs')
    return Array.isArray(logs) ? logs : oneOrMany(body)
  },
  lines: true,
  normalize: (event) => {
    // Each has the log itself inside.
    const log = isEvent(event.data) ? event.data : event
    // Whoever opens the logout page without being logged in is nobody.
    return log.type === 'slo' && !log.user_id ? null : log
  },
  type: '{type}',
  events: { slo: 'logout', sdu: 'security', scp: 'logout' },
  user: { as: 'subject', from: '{user_id}' },
  occurredAt: '/date',
  answer: 204,
}
