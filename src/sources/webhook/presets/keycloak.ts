import { FORMS } from '../../../base/config-forms.ts'
import { expand, valueAt } from '../../common/template.ts'
import { type Event, type NamedPreset, one } from '../preset.ts'
import { hmacOfBody } from '../verifiers.ts'

/**
 * Keycloak with the extension keycloak-events (https://github.com/p2-inc/keycloak-events): its webhooks, which call events
 * `access.LOGOUT` and `admin.USER-DELETE`, and its HTTP sender, which sends Keycloak's own. A new password is
 * `UPDATE_CREDENTIAL` since Keycloak 26, and until 27 `UPDATE_PASSWORD` besides
 * (https://github.com/keycloak/keycloak/issues/32685).
 */
export const keycloak: NamedPreset = {
  secret: FORMS.sharedSecret,
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
 * As the extension's webhooks call it. What an administrator does to a user is told apart by the end of the path, which
 * credential is new by its type.
 */
function typeOf(event: Event): string {
  const { type, operationType } = event
  const isPrefixed = typeof type === 'string' && type.includes('.')
  const own = operationType === undefined ? 'access.{type}' : 'admin.{resourceType}-{operationType}'
  const name = isPrefixed ? type : (expand(own, event) ?? '')
  const what = WHAT.get(name)?.(event)
  return typeof what === 'string' ? `${name}:${what}` : name
}

const WHAT: ReadonlyMap<string, (event: Event) => unknown> = new Map([
  ['admin.USER-ACTION', (event: Event) => /^users\/[^/]+\/([\w-]+)$/.exec(pathOf(event))?.[1]],
  ['access.UPDATE_CREDENTIAL', (event: Event) => valueAt(event, '/details/credential_type')],
])

/** Whom an administrator's event is about. `authDetails` names the administrator. */
function targetOf(event: Event): unknown {
  return /^users\/([^/]+)(\/|$)/.exec(pathOf(event))?.[1]
}

function pathOf({ resourcePath }: Event): string {
  return typeof resourcePath === 'string' ? resourcePath : ''
}

function actorOf(event: Event): unknown {
  return valueAt(event, '/authDetails/userId') ?? event.userId
}
