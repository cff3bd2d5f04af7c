import { FORMATS } from '../../../base/config-formats.ts'
import { valueAt } from '../../common/template.ts'
import { bodyToken } from '../body-token.ts'
import { isEvent, type NamedPreset, one } from '../preset.ts'

/**
 * FusionAuth with signed events: https://fusionauth.io/docs/extend/events-and-webhooks/signing, events at
 * https://fusionauth.io/docs/extend/events-and-webhooks/events/. There is no logout event.
 */
export const fusionauth: NamedPreset = {
  secret: FORMATS.sharedSecret,
  verifier: (material) => bodyToken('X-FusionAuth-Signature-JWT', material),
  items: (body) => one(valueAt(body, '/event')),
  normalize: (event) => {
    const userId = valueAt(event, '/user/id') ?? event.userId
    // A revocation of all refresh tokens of an application names no user.
    if (event.type === 'jwt.refresh-token.revoke' && userId === undefined) return null
    return { ...event, user: isEvent(event.user) ? event.user : {}, userId }
  },
  type: '{type}',
  events: {
    'jwt.refresh-token.revoke': 'logout',
    'user.deactivate': 'security',
    'user.delete': 'security',
    'user.delete.complete': 'security',
    'user.password.reset.success': 'logout',
    'user.password.update': 'logout',
  },
  user: { as: 'subject', from: '{userId}' },
  occurredAt: '/createInstant',
  ids: ['{/event/id}'],
  answer: 200,
}
