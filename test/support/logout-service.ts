import type { JWTPayload } from 'jose'
import type { Test } from 'tap'
import { LOGOUT_EVENT } from '../../src/sandbox/identity-provider/token-kinds.ts'
import { type Issuer, type IssuerKey, issuerKey, startIssuer } from './issuer.ts'
import { type Reply, request, type Service } from './service.ts'
import { type SourceService, type SourceServiceOptions, startWithSources } from './source-service.ts'

export { LOGOUT_EVENT as EVENT }
export const CLIENT = 'qlik-portal'

/** The claims of a logout token, with a unique `jti`. */
export type MakeClaims = (different?: object) => JWTPayload & { iat: number }

export interface LogoutService extends SourceService {
  issuer: Issuer
  entry(different?: object): object
  claims: MakeClaims
  /** A valid token with these changes. */
  token(different?: object, header?: object): Promise<string>
  /** Posts a logout token as an OpenID provider does. */
  logout(token: string, source?: string): Promise<Reply>
}

let serial = 0

/** Starts the service on loopback HTTP, with an issuer as the source `op`. */
export async function startLogoutService(
  t: Test,
  { key, entry: more = {}, ...options }: SourceServiceOptions & { key?: IssuerKey; entry?: object } = {},
): Promise<LogoutService> {
  const issuer = await startIssuer(t, { key: key ?? (await issuerKey('k1')), typ: 'logout+jwt' })
  const entry = (different: object = {}) => ({
    ...{ name: 'op', kind: 'oidc-back-channel-logout', issuer: issuer.url, audience: CLIENT },
    ...more,
    ...different,
  })
  const service = await startWithSources(t, [entry()], options)
  const now = () => Math.floor((options.clock?.now() ?? Date.now()) / 1000)
  const claims: MakeClaims = (different = {}) => {
    serial += 1
    const times = { iat: now(), exp: now() + 120 }
    return {
      iss: issuer.url,
      aud: CLIENT,
      ...times,
      jti: `j${serial}`,
      sub: 'u1',
      events: { [LOGOUT_EVENT]: {} },
      ...different,
    }
  }
  return {
    ...service,
    issuer,
    entry,
    claims,
    token: (different, header) => issuer.sign(claims(different), header),
    logout: (token, source = 'op') => postToken(service, token, source),
  }
}

/** Posts a logout token that names only a session, to the source `op` of a service in its own process. */
export async function endSession(url: string, issuer: Issuer, sid: string): Promise<Reply> {
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer.url,
    aud: CLIENT,
    iat,
    exp: iat + 60,
    jti: sid,
    sid,
    events: { [LOGOUT_EVENT]: {} },
  }
  const token = await issuer.sign(claims)
  return postToken({ call: (method, path, options) => request(url, method, path, options) }, token)
}

export function postToken({ call }: Pick<Service, 'call'>, token: string, source = 'op'): Promise<Reply> {
  return call('POST', `/sources/${source}/backchannel-logout`, {
    body: new URLSearchParams({ logout_token: token }).toString(),
    headers: { authorization: '', 'content-type': 'application/x-www-form-urlencoded' },
  })
}

/** Asserts that an answer is the refusal of the specification (section 2.8), with `no-store`. */
export function isRefusal(
  t: Test,
  reply: Reply,
  status: number,
  error: string,
  description: RegExp,
  name: string,
): void {
  t.equal(reply.status, status, `${name}: ${reply.text}`)
  t.same(Object.keys(reply.json ?? {}), ['error', 'error_description'], name)
  t.match(reply.json, { error, error_description: description }, name)
  t.match(
    reply.json?.error_description,
    /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/,
    `${name}: only characters that RFC 6749 allows`,
  )
  t.equal(reply.headers.get('cache-control'), 'no-store', name)
  t.match(reply.headers.get('content-type'), /^application\/json/, name)
}

/** The users of all revocations as their signals named them, the newest first. */
export async function usersOf({ stored }: Pick<Service, 'stored'>) {
  return (await stored()).map(({ user: { resolved: _, ...named } }) => named)
}
