import { FORMATS } from '../../../base/config-formats.ts'
import { type NamedPreset, one } from '../preset.ts'
import { hmacOfBody } from '../verifiers.ts'

/**
 * Qlik Cloud's own webhooks: https://qlik.dev/apis/event/verify-webhook-signatures-hmac/, events at
 * https://qlik.dev/apis/event/core/users/, and with their legacy name at https://qlik.dev/apis/event/users/. The
 * webhook's configuration selects one of the two
 * (https://qlik.dev/changelog/244-legacy-iam-system-events-deprecation/). Bodies are CloudEvents, with or without the
 * members of the legacy format. `userid` is the actor, not the affected user.
 */
export const qlik: NamedPreset = {
  secret: FORMATS.sharedSecret,
  verifier: ({ secrets }) => hmacOfBody('Qlik-Signature', secrets),
  items: one,
  normalize: (event) => ({
    ...event,
    type: event.type ?? event.eventType,
    time: event.time ?? event.eventTime,
  }),
  type: '{type}',
  events: { 'com.qlik.core.user.deleted': 'security', 'com.qlik.v1.user.deleted': 'security' },
  user: { as: 'userId', from: '{/data/id}' },
  occurredAt: '/time',
  ids: ['{id}', '{eventId}', '{eventID}'],
  answer: 204,
}
