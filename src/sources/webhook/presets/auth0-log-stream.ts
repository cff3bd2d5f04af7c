import { FORMATS } from '../../../base/config-formats.ts'
import { valueAt } from '../../common/template.ts'
import { isEvent, type NamedPreset, oneOrMany } from '../preset.ts'
import { staticHeader } from '../verifiers.ts'

/**
 * Auth0 log streams to a custom webhook, as JSON Lines, list or object:
 * https://auth0.com/docs/customize/log-streams/custom-log-streams, log types at
 * https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes. The object is not documented: both a log and an
 * object with `logs` are accepted.
 */
export const auth0LogStream: NamedPreset = {
  secret: FORMATS.sharedSecret,
  verifier: ({ secrets }) => staticHeader('Authorization', secrets),
  items: (body) => {
    const logs = valueAt(body, '/logs')
    return Array.isArray(logs) ? logs : oneOrMany(body)
  },
  lines: true,
  normalize: (event) => {
    // Each item contains the log in `data`.
    const log = isEvent(event.data) ? event.data : event
    // A visit to the logout page without a session has no user.
    return log.type === 'slo' && !log.user_id ? null : log
  },
  type: '{type}',
  events: { slo: 'logout', sdu: 'security', scp: 'logout' },
  user: { as: 'subject', from: '{user_id}' },
  occurredAt: '/date',
  answer: 204,
}
