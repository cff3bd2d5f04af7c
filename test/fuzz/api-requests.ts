import type { Random } from './random.ts'
import {
  type FuzzRequest,
  from,
  type Generate,
  headerText,
  INTRUDER,
  oddHeaders,
  segment,
  USERS,
} from './request.ts'
import { anyJson, bodyOf, mutateJson } from './values.ts'

const METHODS = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'PROPFIND',
  'SEARCH',
  'LOCK',
] as const
const TYPES = [
  ...([
    'application/json',
    'application/json; charset=utf-8',
    'text/plain',
    'application/x-www-form-urlencoded',
  ] as const),
  ...([
    'application/secevent+jwt',
    'application/x-ndjson',
    'multipart/form-data; boundary=x',
    '',
    '/',
    'garbage',
  ] as const),
] as const

/** The routes of Curfew's own API, with a valid body. */
const ROUTES: readonly [
  method: string,
  path: (random: Random) => string,
  body: (user: object, marker: string) => unknown,
][] = [
  ['POST', (random) => `/logout-hook${query(random)}`, (user) => ({ ...user, reason: 'logout' })],
  [
    'POST',
    (random) => `/users/${segment(random)}/revoke-all${query(random)}`,
    () => ({ reason: 'security' }),
  ],
  [
    'POST',
    (random) => `/revocations${query(random)}`,
    (user) => ({ users: [user, user], reason: 'security' }),
  ],
  ['GET', (random) => `/revocations${query(random)}`, () => undefined],
  ['GET', (random) => `/revocations/${segment(random)}`, () => undefined],
  ['POST', (random) => `/revocations/${segment(random)}/retry`, () => undefined],
  ['PUT', (random) => `/sessions/${segment(random)}`, (user) => ({ ...user, ttlSeconds: 60 })],
  ['PUT', () => '/sessions', (user, sid) => ({ ...user, sid, ttlSeconds: 60 })],
  ['DELETE', (random) => `/sessions/${segment(random)}${query(random)}`, () => undefined],
  ['DELETE', () => '/sessions', (_, sid) => ({ sid })],
  ['POST', () => '/revocations/retry', (user) => ({ matching: user })],
  ['POST', () => '/revocations/release', () => ({ all: true })],
  ['POST', () => '/revocations/cancel', (_, name) => ({ sender: { kind: 'source', name } })],
  ['POST', () => '/config/reload', () => undefined],
  ['GET', (random) => `/audit${query(random)}`, () => undefined],
  ['GET', (random) => `/audit/export${query(random)}`, () => undefined],
  ['POST', () => '/erasures', (user) => user],
  ['GET', (random) => `/erasures/${segment(random)}`, () => undefined],
  ['GET', () => '/health/ready', () => undefined],
]

function query(random: Random): string {
  if (random.chance(0.5)) return ''
  const names = [
    'dry-run',
    'status',
    'tenant',
    'userId',
    'limit',
    'cursor',
    'source',
    'sender',
    'event',
    'revocation',
    'from',
    'to',
    'x',
    '__proto__',
    '',
  ]
  return `?${Array.from({ length: 1 + random.int(3) }, () => `${random.pick(names)}=${segment(random)}`).join('&')}`
}

/** A request of the API with this credential; its user contains `marker`. */
function apiRequest(random: Random, marker: string): Omit<FuzzRequest, 'kind'> & { body: Buffer | null } {
  const [method, path, valid] = ROUTES[random.int(ROUTES.length)] ?? ['GET', () => '/', () => undefined]
  const user = random.pick([{ userId: marker }, { subject: marker }, { email: `${marker}@example.com` }])
  const value = valid(user, marker)
  const content = random.chance(0.2)
    ? value
    : random.chance(0.2)
      ? anyJson(random)
      : mutateJson(random, value)
  const body = content === undefined ? null : bodyOf(random, content)
  const type = random.chance(0.8) ? 'application/json' : random.pick(TYPES)
  return {
    method: random.chance(0.95) ? method : random.pick(METHODS),
    path: path(random),
    headers: [
      ...(body === null ? [] : ([['content-type', type]] as const)),
      ...oddHeaders(random),
      from(random),
    ],
    body,
  }
}

export const withoutKey: Generate = (random, { apiKeys, expiredKey }) => {
  const request = apiRequest(random, INTRUDER)
  const authorizations = [
    ...[
      `Bearer ${expiredKey}`,
      `Bearer ${apiKeys[0].slice(0, -1)}`,
      `Bearer ${apiKeys[0]}x`,
      `Basic ${apiKeys[0]}`,
    ],
    ...[apiKeys[0].toUpperCase(), 'Bearer', 'Bearer ', `Bearer ${headerText(random)}`, headerText(random)],
  ]
  const given = random.int(4)
  const credentials = Array.from(
    { length: given === 3 ? 2 : Math.min(1, given) },
    () => ['authorization', String(random.pick(authorizations))] as const,
  )
  return { kind: 'api without a key', ...request, headers: [...(request.headers ?? []), ...credentials] }
}

export const withKey: Generate = (random, { apiKeys }) => {
  const request = apiRequest(random, `user-${random.int(USERS)}`)
  const credential = ['authorization', `Bearer ${random.pick(apiKeys)}`] as const
  return {
    kind: 'api with a key',
    isAuthentic: true,
    ...request,
    headers: [...(request.headers ?? []), credential],
  }
}

export const anyPath: Generate = (random) => {
  const known = [
    'sources',
    'docs',
    'static',
    'health',
    'metrics',
    'openapi.json',
    'logout-hook',
    'webhook',
    'events',
    '..',
    '.',
    '',
  ]
  const length = 1 + random.int(5)
  const parts = Array.from({ length }, () => (random.chance(0.6) ? random.pick(known) : segment(random)))
  const body = random.chance(0.4) ? bodyOf(random, anyJson(random)) : null
  const headers = [['content-type', random.pick(TYPES)] as const, ...oddHeaders(random), from(random)]
  return {
    kind: 'path',
    method: random.pick(METHODS),
    path: `/${parts.join('/')}${query(random)}`,
    headers,
    body,
  }
}
