import { FORMATS } from '../../../base/config-formats.ts'
import { type NamedPreset, one, withUserId } from '../preset.ts'
import { requiredHeader, unproven } from '../proof.ts'
import { type HmacRule, hmac } from '../verifiers.ts'

const HEADER = 'WorkOS-Signature'

/**
 * WorkOS: https://workos.com/docs/events/data-syncing/webhooks, events at https://workos.com/docs/events, their data at
 * https://github.com/workos/openapi-spec. The signature has the format that WorkOS's Node.js library uses.
 */
export const workos: NamedPreset = {
  secret: FORMATS.sharedSecret,
  verifier: ({ secrets }) => hmac(RULE, secrets),
  items: one,
  // Directory events lack AuthKit's user id.
  normalize: withUserId,
  type: '{event}',
  events: {
    'session.revoked': 'logout',
    'user.deleted': 'security',
    'password_reset.succeeded': 'logout',
  },
  user: { as: 'subject', from: '{user_id}' },
  occurredAt: '/created_at',
  ids: ['{id}'],
  answer: 200,
}

const RULE: HmacRule = {
  read: (headers) => {
    const [, timestamp, signature] = /^t=(\d+), ?v1=([^,\s]+)$/.exec(requiredHeader(headers, HEADER)) ?? []
    if (timestamp === undefined || signature === undefined)
      throw unproven(`The header ${HEADER} does not have the format t=…, v1=….`)
    return { timestamp, signatures: [signature] }
  },
  algorithm: 'sha256',
  encoding: 'hex',
  signed: '{timestamp}.{body}',
  clock: { unitMs: 1, toleranceMs: 180_000 },
}
