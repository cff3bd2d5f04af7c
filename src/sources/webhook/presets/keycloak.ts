import { FORMATS } from '../../../base/config-formats.ts'
import { expand, valueAt } from '../../common/template.ts'
import { type Event, type NamedPreset, one } from '../preset.ts'
import { hmacOfBody } from '../verifiers.ts'

/**
 * Keycloak with the extension keycloak-events (https://github.com/p2-inc/keycloak-events): its webhooks, with event
 * types such as `access.LOGOUT` and `admin.USER-DELETE`, and its HTTP sender, which sends Keycloak's own types. A new
 * password is `UPDATE_CREDENTIAL` since Keycloak 26; until 27, `UPDATE_PASSWORD` is sent, too
 * (https://github.com/keycloak/keycloak/issues/32685).
 */
export const keycloak: NamedPreset = {
  secret: FORMATS.sharedSecret,
  verifier: ({ secrets }) => hmacOfBody('X-Keycloak-Signature', secrets),
  items: one,
  normalize: (event) => {
    const type = typeOf(event)
    return { ...event, type, user_id: type.startsWith('admin.') ? targetOf(event) : actorOf(event) }
  },
  type: '{type}',
  events: {
    'access.LOGOUT': 'logout',
    'access.UPDATE_CREDENTIAL:password': 'logout',
    'access.UPDATE_PASSWORD': 'logout',
    'access.RESET_PASSWORD': 'logout',
    'access.DELETE_ACCOUNT': 'security',
    'admin.USER-DELETE': 'security',
    'admin.USER-ACTION:logout': 'logout',
    'admin.USER-ACTION:reset-password': 'logout',
  },
  user: { as: 'subject', from: '{user_id}' },
  occurredAt: '/time',
  ids: ['{uid}', '{id}'],
  answer: 204,
}

/**
 * The event type in the format of the extension's webhooks, followed by what distinguishes it: for an administrator's
 * action on a user the end of the path, for a new credential its type.
 */
function typeOf(event: Event): string {
  const { type, operationType } = event
  const isPrefixed = typeof type === 'string' && type.includes('.')
  const own = operationType === undefined ? 'access.{type}' : 'admin.{resourceType}-{operationType}'
  const name = isPrefixed ? type : (expand(own, event) ?? '')
  const detail = DETAILS.get(name)?.(event)
  return typeof detail === 'string' ? `${name}:${detail}` : name
}

const DETAILS: ReadonlyMap<string, (event: Event) => unknown> = new Map([
  ['admin.USER-ACTION', (event: Event) => /^users\/[^/]+\/([\w-]+)$/.exec(pathOf(event))?.[1]],
  ['access.UPDATE_CREDENTIAL', (event: Event) => valueAt(event, '/details/credential_type')],
])

/** The user that an administrator's event affects. `authDetails` names the administrator. */
function targetOf(event: Event): unknown {
  return /^users\/([^/]+)(\/|$)/.exec(pathOf(event))?.[1]
}

function pathOf({ resourcePath }: Event): string {
  return typeof resourcePath === 'string' ? resourcePath : ''
}

function actorOf(event: Event): unknown {
  return valueAt(event, '/authDetails/userId') ?? event.userId
}
