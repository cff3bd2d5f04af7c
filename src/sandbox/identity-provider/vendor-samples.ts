// Bodies as the vendors document them.

/** The documented body of an event that ends a session. */
export type Sample = (
  /** Identifies the delivery. */
  id: string,
  /** Another user than the documented one, and another time, in ms since the epoch. */
  other?: { user?: string; at?: number },
) => object

/** A time in ISO 8601: the documented one unless another is given. */
const iso = (documented: string, at?: number) => (at === undefined ? documented : new Date(at).toISOString())

/** https://clerk.com/docs/guides/development/webhooks/overview, `data` as Clerk's SDK types them, see the preset */
export const clerk: Sample = (id, { user = 'user_29w83sxmDNGwOuEthce5gg56FcC', at } = {}) => ({
  data: {
    abandon_at: 1661861640000,
    actor: null,
    client_id: 'client_29wBArHzKDzhYyRGk5FSgVvYkUF',
    created_at: 1654012840000,
    expire_at: 1654617640000,
    id: `sess_${id}`,
    last_active_at: 1654012840000,
    object: 'session',
    status: 'ended',
    updated_at: 1654012843000,
    user: null,
    user_id: user,
  },
  event_attributes: { http_request: { client_ip: '0.0.0.0', user_agent: 'Mozilla/5.0' } },
  instance_id: 'ins_123',
  object: 'event',
  timestamp: at ?? 1654012843000,
  type: 'session.ended',
})

/** https://www.svix.com/event-types/us/org_2olWIePjxAFYube1xW8DoQUEnyY */
export const stytch: Sample = (id, { user = 'user-test-00000000-0000-0000-0000-000000000000', at } = {}) => ({
  action: 'DELETE',
  event_id: `webhook-event-test-${id}`,
  id: user,
  object_type: 'user',
  project_id: 'project-test-00000000-0000-0000-0000-000000000000',
  source: 'DASHBOARD',
  timestamp: iso('2024-11-21T06:47:49.555247073Z', at),
  vertical: 'CONSUMER',
})

/** https://supabase.com/docs/guides/database/webhooks */
export const supabase: Sample = (id, { user = '8ccaa7af-909f-44e7-84cb-67cdccb56be6' } = {}) => ({
  type: 'DELETE',
  table: 'sessions',
  schema: 'auth',
  record: null,
  old_record: { id, user_id: user, aal: 'aal1', ip: '192.0.2.1' },
})

/** https://workos.com/docs/events/session */
export const workos: Sample = (id, { user = 'user_01HQGXWZW8BSHRG3HVK2QF7XBX', at } = {}) => ({
  event: 'session.revoked',
  id: `event_${id}`,
  data: {
    object: 'session',
    id: 'session_01HSCBECW0D7AY8CA45AYKA64G',
    user_id: user,
    organization_id: 'org_01HQHCBRRAVQ7N3PX81VKAYXSX',
    ip_address: '192.0.2.1',
    user_agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)',
    created_at: '2024-03-19T21:56:25.080Z',
    updated_at: '2024-03-19T21:56:25.080Z',
  },
  created_at: iso('2024-03-19T21:56:25.080Z', at),
  object: 'event',
})

/** https://developer.okta.com/docs/concepts/event-hooks/ */
export const oktaEventHook: Sample = (id, { user = '00u1qw6mqitPHM8AJ0g7', at } = {}) => ({
  eventType: 'com.okta.event_hook',
  eventTypeVersion: '1.0',
  cloudEventsVersion: '0.1',
  eventId: id,
  eventTime: iso('2019-03-27T16:59:53.032Z', at),
  source: 'https://example.okta.com/api/v1/eventHooks/whoql0HfiLGPWc8Jx0g3',
  contentType: 'application/json',
  data: {
    events: [
      {
        version: '0',
        severity: 'INFO',
        actor: { id: '00uAdmin', type: 'User', alternateId: 'admin@example.com', displayName: 'Admin' },
        outcome: { result: 'SUCCESS' },
        uuid: 'f790999f-fe87-467a-9880-6982a583986c',
        published: iso('2018-03-28T22:23:07.777Z', at),
        eventType: 'user.lifecycle.deactivate',
        displayMessage: 'Deactivate Okta user',
        target: [
          { id: '0oaApp', type: 'AppInstance', alternateId: 'Qlik', displayName: 'Qlik' },
          {
            id: user,
            type: 'User',
            alternateId: 'ada@example.com',
            displayName: 'Ada',
          },
        ],
      },
    ],
  },
})

/**
 * A list of logs in `data`: https://github.com/auth0/docs, `articles/logs/streams/http-event-to-slack.md`; the members of a log:
 * https://github.com/elastic/integrations, `packages/auth0`
 */
export const auth0LogStream: Sample = (id, { user = 'auth0|56c75c4e42b6359e98374bc2', at } = {}) => [
  {
    log_id: id,
    data: {
      date: iso('2020-01-29T17:26:50.193Z', at),
      type: 'slo',
      description: 'https://example.com',
      connection_id: '',
      client_id: 'AaiyAPdpYdesoKnqjj8HJqRn4T5titww',
      client_name: 'My application Name',
      ip: '190.257.209.19',
      hostname: '190.257.209.19',
      user_id: user,
      user_name: 'ada@example.com',
      log_id: id,
    },
  },
]

/** https://fusionauth.io/docs/extend/events-and-webhooks/events/user-deactivate */
export const fusionauth: Sample = (id, { user = '00000000-0000-0001-0000-000000000000', at } = {}) => ({
  event: {
    createInstant: at ?? 1505762615056,
    id,
    info: { ipAddress: '42.42.42.42', userAgent: 'Mozilla/5.0' },
    tenantId: 'e872a880-b14f-6d62-c312-cb40f22af465',
    type: 'user.deactivate',
    user: {
      active: false,
      email: 'example@fusionauth.io',
      id: user,
      tenantId: 'e872a880-b14f-6d62-c312-cb40f22af465',
    },
  },
})

/** https://github.com/p2-inc/keycloak-events */
export const keycloak: Sample = (id, { user = '88251cc6-7408-4b31-a4c7-b2840d99b916', at } = {}) => ({
  time: at ?? 1711651627565,
  realmId: '7a11ef96-d5ef-4bfe-beb8-a5d81f9de464',
  uid: id,
  authDetails: {
    realmId: 'acme',
    clientId: 'acme-app',
    userId: user,
    ipAddress: '192.0.2.1',
    username: 'ada@example.com',
    sessionId: '3cd8d025-d5d4-4ff2-82d3-a9c552ba422c',
  },
  type: 'access.LOGOUT',
  details: { redirect_uri: 'https://app.example.com/' },
})

/** https://qlik.dev/apis/event/core/users/ */
export const qlik: Sample = (id, { user = 'TiQ8GPVr8qI714Lp5ChAAFFaU24MJy69', at } = {}) => ({
  id,
  time: iso('2025-04-21T13:45:30Z', at),
  type: 'com.qlik.core.user.deleted',
  source: 'com.qlik/identities',
  specversion: '1.0',
  datacontenttype: 'application/json',
  userid: 'id-of-the-admin',
  tenantid: 'VZhiEfgW2bLd7HgR-jjzAh6VnicipweT',
  data: {
    id: user,
    name: 'Ada',
    email: 'ada@example.com',
    status: 'active',
    subject: 'auth0|ada',
    tenantId: 'VZhiEfgW2bLd7HgR-jjzAh6VnicipweT',
  },
})

/** A generic service. */
export const generic: Sample = (id, { user = 'ada@example.com', at } = {}) => ({
  id,
  kind: 'signed-out',
  at: at === undefined ? 1711651627 : Math.floor(at / 1000),
  who: { mail: user },
})
