import { SHARED_SECRET } from '../forms.ts'
import { type NamedPreset, one } from '../preset.ts'
import { requiredHeader } from '../proof.ts'
import { hmac } from '../verifiers.ts'

/**
 * Qlik Cloud's own webhooks: https://qlik.dev/apis/event/verify-webhook-signatures-hmac/,
 * https://qlik.dev/apis/event/users/. Bodies are CloudEvents 1.0.2, with or without the members of the form before.
 */
export const qlik: NamedPreset = {
  secret: SHARED_SECRET,
  verifier: ({ secrets }) => hmac(RULE, secrets),
  items: one,
  read: (event) => ({
    ...event,
    type: event.type ?? event.eventType,
    time: event.time ?? event.eventTime,
  }),
  type: '{type}',
  events: { 'com.qlik.user.deleted': 'security', 'com.qlik.v1.user.deleted': 'security' },
  user: { as: 'userId', from: '{/data/id}' },
  occurredAt: '/time',
  ids: ['{id}', '{eventId}', '{eventID}'],
  answer: 204,
}

const RULE: Parameters<typeof hmac>[0] = {
  read: (headers) => ({ signature: requiredHeader(headers, 'Qlik-Signature') }),
  algorithm: 'sha256',
  encoding: 'hex',
  signed: '{body}',
  clock: null,
}
