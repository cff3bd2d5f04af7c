import { FORMATS } from '../../../base/config-formats.ts'
import { valueAt } from '../../common/template.ts'
import { type Event, isEvent, listAt, type NamedPreset } from '../preset.ts'
import { staticHeader } from '../verifiers.ts'

/**
 * Okta event hooks: https://developer.okta.com/docs/concepts/event-hooks/, event types at
 * https://developer.okta.com/docs/reference/api/event-types/?q=event-hook-eligible
 */
export const oktaEventHook: NamedPreset = {
  secret: FORMATS.sharedSecret,
  verifier: ({ secrets }) => staticHeader('Authorization', secrets),
  items: listAt('/data/events'),
  normalize: (event) => {
    const result = valueAt(event, '/outcome/result')
    return result === undefined || result === 'SUCCESS' ? { ...event, user: userOf(event) } : null
  },
  type: '{eventType}',
  events: {
    'user.session.end': 'logout',
    'user.session.clear': 'logout',
    'user.lifecycle.deactivate': 'security',
    'user.lifecycle.suspend': 'security',
    'user.lifecycle.delete.initiated': 'security',
    'user.account.update_password': 'logout',
    'user.account.reset_password': 'logout',
  },
  user: { as: 'subject', from: '{/user/id}' },
  occurredAt: '/published',
  ids: ['{eventId}', '{eventID}'],
  answer: 204,
}

/**
 * The affected user is the target. A user who ends their own session may be named as the actor only; if an
 * administrator or a policy ends it, there is a target (https://developer.okta.com/docs/reference/api/itp-et/).
 */
function userOf({ eventType, target, actor }: Event): unknown {
  const isUser = (one: unknown) => isEvent(one) && one.type === 'User'
  const found = Array.isArray(target) ? target.find(isUser) : undefined
  return found ?? (eventType === 'user.session.end' && isUser(actor) ? actor : undefined)
}
