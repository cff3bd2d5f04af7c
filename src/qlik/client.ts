import type { z } from 'zod'
import { type AccessToken, boundedLifetime } from '../base/access-token.ts'
import { QlikFailure, type TokenPage, type UserMatch } from '../revocation/qlik-tenant.ts'
import type { UserReference } from '../revocation/signal.ts'
import { isSameName, isSimilarName } from '../revocation/user-names.ts'
import { ASSERTION_SKEW_MS, type AssertionForm, clientAssertion } from './client-assertion.ts'
import type { QlikHttp, QlikResponse } from './http.ts'
import { pageIn, userPathIn } from './links.ts'
import {
  AccessTokenResponse,
  errorCodeOf,
  failureOf,
  OwnUserResponse,
  read,
  TokensResponse,
  UserResponse,
  UsersResponse,
} from './responses.ts'
import type { ClientCredential } from './tenant-config.ts'

/** The OAuth client, independent of its credentials. */
export interface ClientIdentity {
  clientId: string
  scope: string
}

/** An access token and the scope that Qlik granted to it, which may be narrower than requested. */
export interface Grant extends AccessToken {
  scope: string
}

const TOKEN_PATH = '/oauth/token'

export interface OwnUser {
  id: string
  /** Role names, or null if Qlik does not report them. */
  roles: string[] | null
}

export interface ListedTokens extends Omit<TokenPage, 'scope' | 'client'> {
  /** The owner of each row, including those not requested. */
  owners: string[]
}

const PAGE_SIZE = 100

/**
 * The calls of Qlik Cloud's API that Curfew needs, each as one request with its checked response. No retry, no
 * budget, no cache. All throw `QlikFailure`.
 */
export class QlikClient {
  readonly #http: QlikHttp
  readonly #identity: ClientIdentity

  constructor(http: QlikHttp, identity: ClientIdentity) {
    this.#http = http
    this.#identity = identity
  }

  /**
   * `POST /oauth/token` with client credentials (Tier 2). A response without `scope` grants what was requested (RFC
   * 6749, section 5.1). If an assertion was made with a wrong clock, the failure is `unauthorized`, not refused: the
   * response reveals the tenant's time, and the next assertion uses it.
   */
  async requestAccessToken(credential: ClientCredential, signal: AbortSignal): Promise<Grant> {
    const { clientId, scope } = this.#identity
    const now = this.#http.tenantNow()
    const proof = await this.#proofBy(credential, now)
    const form = { grant_type: 'client_credentials', client_id: clientId, scope, ...proof }
    const response = await this.#http.send({ route: 'token', method: 'POST', path: TOKEN_PATH, form, signal })
    const failure = failureOf(response, [200, 201])
    if (failure) {
      const isMistimed = credential.kind === 'key' && Math.abs(response.date - now) > ASSERTION_SKEW_MS
      throw tokenFailure(failure, response, isMistimed)
    }
    const token = read(response, AccessTokenResponse)
    return {
      value: token.access_token,
      lifetimeMs: lifetimeOf(token, response.date),
      scope: token.scope ?? scope,
    }
  }

  async #proofBy(
    credential: ClientCredential,
    now: number,
  ): Promise<AssertionForm | { client_secret: string }> {
    if (credential.kind === 'secret') return { client_secret: credential.secret }
    const audience = `${this.#http.origin}${TOKEN_PATH}`
    return clientAssertion(credential, { clientId: this.#identity.clientId, audience, now })
  }

  /**
   * `GET /users/me` (Tier 1): the client's own user, or the path to it. Qlik responds with a 301 to `/users/{id}`;
   * only such a path on the same origin is followed, because the access token is sent there.
   */
  async me(accessToken: string, signal: AbortSignal): Promise<OwnUser | { path: string }> {
    const path = '/api/v1/users/me'
    const response = await this.#http.send({ route: 'me', method: 'GET', path, accessToken, signal })
    if (response.status === 301 || response.status === 308)
      return { path: userPathIn(response.location, this.#http.origin) }
    return this.#ownUser(response)
  }

  /** `GET /users/{id}` (Tier 1), for the path that `me` returned. */
  async user(accessToken: string, path: string, signal: AbortSignal): Promise<OwnUser> {
    return this.#ownUser(await this.#http.send({ route: 'me', method: 'GET', path, accessToken, signal }))
  }

  #ownUser(response: QlikResponse): OwnUser {
    const failure = failureOf(response, [200])
    if (failure) throw failure
    const { id, roles, assignedRoles } = read(response, OwnUserResponse)
    const names =
      roles || assignedRoles ? [...(roles ?? []), ...(assignedRoles ?? []).map((role) => role.name)] : null
    return { id, roles: names }
  }

  /** One page of `GET /oauth-tokens` (Tier 1), of one user or of all users that the client can see. */
  async listTokens(
    accessToken: string,
    { userId, page, sort }: { userId: string | null; page: string | null; sort?: 'userId' },
    signal: AbortSignal,
  ): Promise<ListedTokens> {
    const query = new URLSearchParams({ limit: String(PAGE_SIZE) })
    if (userId !== null) query.set('userId', userId)
    if (sort) query.set('sort', sort)
    if (page !== null) query.set('page', page)
    const path = `/api/v1/oauth-tokens?${query}`
    const response = await this.#http.send({ route: 'list', method: 'GET', path, accessToken, signal })
    const failure = failureOf(response, [200])
    // A page may be requested minutes after its link was returned; a page that Qlik rejects says nothing about the
    // user.
    if (failure?.kind === 'rejected' && page !== null) throw new QlikFailure('unreadable', failure.message)
    if (failure) throw failure
    const { data, links } = read(response, TokensResponse)
    // If a tenant ignored the filter, everybody would be logged out.
    const rows = data.filter((row) => userId === null || row.userId === userId)
    if (rows.length === 0 && data.length > 0) {
      throw new QlikFailure('unreadable', 'Qlik Cloud lists tokens of users that were not requested.')
    }
    return {
      tokens: rows.map(({ id, deviceType, lastUsed, description, clientId }) => ({
        id,
        deviceType: deviceType ?? null,
        lastUsed: lastUsed ?? null,
        description: description ?? null,
        clientId: clientId ?? null,
      })),
      next: pageIn(links?.next?.href ?? null),
      owners: data.map((row) => row.userId),
    }
  }

  /** `DELETE /oauth-tokens/{id}` (Tier 2). 404 means that the token is already gone. */
  async revokeToken(
    accessToken: string,
    id: string,
    signal: AbortSignal,
  ): Promise<'revoked' | 'already-gone'> {
    const path = `/api/v1/oauth-tokens/${encodeURIComponent(id)}`
    const response = await this.#http.send({ route: 'revoke', method: 'DELETE', path, accessToken, signal })
    const failure = failureOf(response, [200, 204, 404])
    if (failure) throw failure
    return response.status === 404 ? 'already-gone' : 'revoked'
  }

  /**
   * `GET /users?filter=…` (Tier 1) with a SCIM filter (RFC 7644, section 3.4.2.2), whose values are JSON strings.
   * Returns all users that match one of these names, with the value they have. All names are of one kind. For a
   * single name, the value may be similar (`isSimilarName`). For several, it must be the same as one of them
   * (`isSameName`); otherwise the response is unreadable, because it is unclear which name matched.
   */
  async findUsers(
    accessToken: string,
    users: readonly UserReference[],
    signal: AbortSignal,
  ): Promise<UserMatch[]> {
    const kind = users[0]?.kind === 'email' ? 'email' : 'subject'
    const filter = users.map(({ value }) => `${kind} eq ${JSON.stringify(value)}`).join(' or ')
    const path = `/api/v1/users?${new URLSearchParams({ filter, limit: String(PAGE_SIZE) })}`
    const response = await this.#http.send({ route: 'users', method: 'GET', path, accessToken, signal })
    const failure = failureOf(response, [200])
    if (failure) throw failure
    const { data, links } = read(response, UsersResponse)
    const isMeant = users.length === 1 ? isSimilarName : isSameName
    const matches = data.flatMap(({ id, [kind]: value }) =>
      value != null && users.some((user) => isMeant(value, user.value)) ? [{ id, value }] : [],
    )
    // Other rows, or more than one page of them, show that Qlik did not understand the filter.
    if (links?.next || matches.length < data.length) {
      throw new QlikFailure(
        'unreadable',
        "Qlik Cloud's response to users lists users that were not requested.",
      )
    }
    return matches
  }

  /**
   * `GET /users/{id}` (Tier 1): whether the tenant has a user with exactly this id. The list of tokens does not show
   * that: for an unknown id it is empty.
   */
  async userExists(accessToken: string, id: string, signal: AbortSignal): Promise<boolean> {
    // Path segments with a special meaning.
    if (['me', '.', '..'].includes(id)) return false
    const path = `/api/v1/users/${encodeURIComponent(id)}`
    const response = await this.#http.send({ route: 'user', method: 'GET', path, accessToken, signal })
    const failure = failureOf(response, [200, 404])
    if (failure) throw failure
    return response.status === 200 && read(response, UserResponse).id === id
  }
}

/**
 * Whether a failed token request concerns the secret, key or clock, so that another one may be accepted, or the
 * client.
 */
function tokenFailure(failure: QlikFailure, response: QlikResponse, isMistimed: boolean): QlikFailure {
  const { kind, message } = failure
  // RFC 6749, section 5.2, also allows 400 for it; RFC 7523, section 3.2.
  if (kind === 'unauthorized' || errorCodeOf(response) === 'invalid_client') {
    return new QlikFailure(isMistimed ? 'unauthorized' : 'credential-refused', message)
  }
  return ['rejected', 'forbidden'].includes(kind) ? new QlikFailure('client-rejected', message) : failure
}

/** The lifetime from `expires_in` or, by the tenant's clock, from `expires_at`. */
function lifetimeOf({ expires_in, expires_at }: z.infer<typeof AccessTokenResponse>, now: number): number {
  return boundedLifetime(expires_in ? expires_in * 1000 : Date.parse(expires_at ?? '') - now)
}
