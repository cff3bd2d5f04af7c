import { FORMS } from '../../../base/config-forms.ts'
import { valueAt } from '../../common/template.ts'
import { type NamedPreset, one } from '../preset.ts'
import { requiredHeader, unproven } from '../proof.ts'
import { type HmacRule, hmac } from '../verifiers.ts'

const HEADER = 'WorkOS-Signature'

/**
 * WorkOS: https://workos.com/docs/events/data-syncing/webhooks, events at https://workos.com/docs/events, their data at
 * https://github.com/workos/openapi-spec. The signature is as in WorkOS's own library for Node.js.
 */
export const workos: NamedPreset = {
  secret: FORMS.sharedSecret,
  verifier: ({ secrets }) => hmac(RULE, secrets),
  items: one,
  // The data of session events is a session, that of user events the user; of a directory's users AuthKit's id is not told.
  normalize: (event) => {
    const isUser = valueAt(event, '/data/object') === 'user'
    return { ...event, user_id: valueAt(event, isUser ? '/data/id' : '/data/user_id') }
  },
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
      throw unproven(`The header ${HEADER} has another form than t=…, v1=….`)
    return { timestamp, signatures: [signature] }
  },
  algorithm: 'sha256',
  encoding: 'hex',
  signed: '{timestamp}.{body}',
  clock: { unitMs: 1, toleranceMs: 180_000 },
}
