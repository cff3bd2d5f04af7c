/** A user as the sandbox tenant knows them. */
export interface Person {
  userId: string
  subject: string
  email: string | null
}

export interface SignedRequest {
  body: string
  headers: Record<string, string>
}

/** What a token says. */
export interface TokenContent {
  issuer: string
  audience: string
  jti: string
  /** Seconds since the epoch. */
  iat: number
  person: Person
  /** The session that ends, if the protocol can name one. */
  sid?: string | undefined
}

export type TokenClaims = { iat: number; jti: string } & Record<string, unknown>

/** A kind of source whose requests carry a token of the issuer. */
export interface TokenKind {
  /** Below `/sources/{name}/`. */
  path: string
  typ: string
  /** The status once the signal is durable. */
  answer: number
  /** The status if the token is rejected. */
  refusal: number
  /** `typ` of other protocols. */
  types: string[]
  /** The claims without which a token is rejected. */
  required: string[]
  claims: (content: TokenContent) => TokenClaims
  /** Changes to valid claims that make a forgery, by name. */
  changes: (claims: TokenClaims) => Record<string, object>
  request: (token: string, person: Person, issuer: string) => SignedRequest
}

export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'
export const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
export const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
export const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'

const DAY_S = 24 * 60 * 60

/** OpenID Connect Back-Channel Logout 1.0, section 2.4 */
const logout: TokenKind = {
  path: 'backchannel-logout',
  typ: 'logout+jwt',
  answer: 200,
  refusal: 400,
  types: ['at+jwt', 'secevent+jwt', 'global-token-revocation+jwt', 'logout+jwt2'],
  required: ['iss', 'aud', 'exp', 'iat', 'jti', 'events'],
  claims: ({ issuer, audience, jti, iat, person, sid }) => ({
    iss: issuer,
    aud: audience,
    jti,
    iat,
    exp: iat + 120,
    sub: person.subject,
    ...(sid === undefined ? {} : { sid }),
    events: { [LOGOUT_EVENT]: {} },
  }),
  changes: ({ iat }) => ({
    'an ID token': { events: undefined, nonce: 'n', auth_time: iat },
    'valid for days': { exp: iat + 7 * DAY_S },
    'another event': { events: { [`${CAEP}session-revoked`]: {} } },
    'neither sub nor sid': { sub: undefined, sid: undefined },
  }),
  request: (token) => ({
    body: new URLSearchParams({ logout_token: token }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }),
}

/** OAuth Global Token Revocation, with the token of Okta's Universal Logout */
const revocation: TokenKind = {
  path: 'global-token-revocation',
  typ: 'global-token-revocation+jwt',
  answer: 204,
  refusal: 401,
  types: ['JWT', 'at+jwt', 'logout+jwt', 'secevent+jwt', 'global-token-revocation+jwtx'],
  required: ['iss', 'sub', 'aud', 'jti', 'iat', 'exp'],
  claims: ({ issuer, audience, jti, iat }) => ({
    iss: issuer,
    aud: audience,
    jti,
    iat,
    nbf: iat - 300,
    exp: iat + 300,
    sub: 'sandbox-client',
  }),
  changes: ({ iat }) => ({
    'valid for more than a day': { exp: iat + DAY_S + 3_600 },
    'an event, as in a security event token': { events: {} },
  }),
  request: (token, person, issuer) => ({
    body: JSON.stringify({ sub_id: subjectOf(person, issuer) }),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  }),
}

/** A security event token (RFC 8417) of the Shared Signals Framework 1.0 */
const securityEvent: TokenKind = {
  path: 'events',
  typ: 'secevent+jwt',
  answer: 202,
  refusal: 400,
  types: ['at+jwt', 'logout+jwt', 'global-token-revocation+jwt', 'secevent', 'secevent+jwt2'],
  required: ['iss', 'aud', 'jti', 'iat', 'events'],
  claims: ({ issuer, audience, jti, iat, person }) => ({
    iss: issuer,
    aud: audience,
    jti,
    iat,
    sub_id: subjectOf(person, issuer),
    events: { [`${CAEP}session-revoked`]: {} },
  }),
  changes: ({ iat, events }) => ({
    'a sub': { sub: 'u1' },
    'an exp': { exp: iat + 120 },
    'two events': { events: { ...(events as object), [`${RISC}account-disabled`]: {} } },
    'older than 30 days': { iat: iat - 31 * DAY_S },
  }),
  request: (token) => ({ body: token, headers: { 'content-type': 'application/secevent+jwt' } }),
}

export const TOKEN_KINDS = {
  'oidc-back-channel-logout': logout,
  'global-token-revocation': revocation,
  'shared-signals': securityEvent,
} as const satisfies Record<string, TokenKind>
export type TokenKindName = keyof typeof TOKEN_KINDS

export const TOKEN_KIND_NAMES = Object.keys(TOKEN_KINDS) as TokenKindName[]

/** A subject identifier (RFC 9493). */
function subjectOf({ email, subject }: Person, issuer: string): object {
  return email === null ? { format: 'iss_sub', iss: issuer, sub: subject } : { format: 'email', email }
}
