import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { Clock } from '../../../base/clock.ts'
import { httpDateMs } from '../../../base/http-date.ts'
import { jsonOrUndefined } from '../../../base/json-or-undefined.ts'
import type { Tier } from '../../../qlik/budget/permit-log.ts'
import { type Grant, QlikClient } from '../../../qlik/client.ts'
import { CredentialChoice } from '../../../qlik/credential-choice.ts'
import { type Call, openAgent, QlikHttp, type QlikResponse, type Transport } from '../../../qlik/http.ts'
import { pageIn } from '../../../qlik/links.ts'
import { failureOf, OwnUserResponse, read, TokensResponse } from '../../../qlik/responses.ts'
import type { TenantConfig } from '../../../qlik/tenant-config.ts'

/** Maximum number of calls of a probe, by tier: a few percent of what Qlik allows in five minutes. */
export const MAX_CALLS: Record<Tier, number> = { 1: 150, 2: 8 }
/** Of the bot user's tokens: with more of them, each look would cost several calls. */
const MAX_PAGES = 3

/** What to do if Qlik Cloud behaves in a way that a probe does not expect. */
export const REPORT_THIS = 'Report this to the developers of Curfew.'
const RATE_LIMITED = 'Qlik Cloud limits the rate (429). Wait 15 minutes, then run the probe again.'

/** The probe ends early. The message says why, and what to do. */
export class ProbeStopped extends Error {}

/** What a listing shows of the bot user's tokens. */
export interface OwnTokens {
  ids: string[]
  /** The link to the listing itself, as Qlik returned it. */
  link: string | null
}

/**
 * The calls of a probe to one tenant, by one OAuth client: single requests, without repetition, and never more than
 * `MAX_CALLS`. A 429 ends the probe.
 */
export class ProbeCalls {
  /** Number of calls so far. */
  readonly made: Record<Tier, number> = { 1: 0, 2: 0 }
  /** Headers about rate limits, by tier: the latest value of each. */
  readonly limitHeaders: Record<Tier, Map<string, string>> = { 1: new Map(), 2: new Map() }
  /** Number of responses without a usable Date header. */
  undated = 0
  slowestMs = 0
  readonly #http: QlikHttp
  readonly #client: QlikClient
  readonly #credentials: CredentialChoice
  readonly #clock: Clock
  #isLimited = false

  constructor({ origin, apiVersion, timeoutMs, clients: [client] }: TenantConfig, clock: Clock) {
    this.#clock = clock
    this.#http = new QlikHttp({
      ...{ origin, apiVersion, timeoutMs, clock },
      openTransport: (options) => this.#observe(openAgent(options)),
      onCall: ({ seconds }) => {
        this.slowestMs = Math.max(this.slowestMs, Math.ceil(seconds * 1000))
      },
    })
    this.#client = new QlikClient(this.#http, client)
    this.#credentials = new CredentialChoice(client.credentials, { clock, onRefusalChange: () => {} })
  }

  /** The current time by the tenant's clock; ms since the epoch. */
  tenantNow(): number {
    return this.#http.tenantNow()
  }

  requestToken(signal: AbortSignal): Promise<Grant> {
    return this.#credentials.use((credential) => {
      this.#count(2)
      return this.#client.requestAccessToken(credential, signal)
    })
  }

  /** The first response of `/users/me`: the user, or a redirect to it. */
  me(accessToken: string, signal: AbortSignal): Promise<QlikResponse> {
    return this.#send({ route: 'me', method: 'GET', path: '/api/v1/users/me', accessToken, signal })
  }

  user(path: string, accessToken: string, signal: AbortSignal): Promise<QlikResponse> {
    return this.#send({ route: 'user', method: 'GET', path, accessToken, signal })
  }

  /** The users whose tokens are on the first page of all tokens that the client can see. */
  async owners(accessToken: string, signal: AbortSignal): Promise<string[]> {
    const { data } = await this.#list({ limit: '100' }, accessToken, signal)
    return data.map(({ userId }) => userId)
  }

  /** The tokens of the client's bot user. @throws ProbeStopped if there are more than `MAX_PAGES` pages */
  async own(userId: string, accessToken: string, signal: AbortSignal): Promise<OwnTokens> {
    const ids: string[] = []
    let link: string | null = null
    let page: string | null = null
    for (let count = 0; count < MAX_PAGES; count += 1) {
      const query = { userId, limit: '100', ...(page === null ? {} : { page }) }
      const { data, links } = await this.#list(query, accessToken, signal)
      // If a tenant ignored the filter, another user's token could be taken for the probe's own.
      if (data.some((row) => row.userId !== userId))
        throw new ProbeStopped(`Qlik Cloud lists tokens of users that were not requested. ${REPORT_THIS}`)
      ids.push(...data.map(({ id }) => id))
      link ??= links?.self?.href ?? links?.next?.href ?? null
      page = pageIn(links?.next?.href ?? null)
      if (page === null) return { ids, link }
    }
    throw new ProbeStopped(
      `The bot user has more than ${MAX_PAGES * 100} tokens. Delete some in Qlik, or probe with another OAuth client.`,
    )
  }

  /** Deletes a token. @returns the status */
  async revoke(id: string, accessToken: string, signal: AbortSignal): Promise<number> {
    const path = `/api/v1/oauth-tokens/${encodeURIComponent(id)}`
    return (await this.#send({ route: 'revoke', method: 'DELETE', path, accessToken, signal })).status
  }

  close(): Promise<void> {
    return this.#http.close()
  }

  async #list(query: Record<string, string>, accessToken: string, signal: AbortSignal): Promise<Listed> {
    const path = `/api/v1/oauth-tokens?${new URLSearchParams(query)}`
    const response = await this.#send({ route: 'list', method: 'GET', path, accessToken, signal })
    return { ...readOr(response, TokensResponse), links: linksIn(response) }
  }

  async #send(call: Call): Promise<QlikResponse> {
    this.#count(tierOf(call.method))
    const response = await this.#http.send(call)
    if (response.status !== 429) return response
    this.#isLimited = true
    throw new ProbeStopped(RATE_LIMITED)
  }

  #count(tier: Tier): void {
    if (this.#isLimited) throw new ProbeStopped(RATE_LIMITED)
    if (this.made[tier] >= MAX_CALLS[tier])
      throw new ProbeStopped(
        `The probe has made all of its ${MAX_CALLS[tier]} tier ${tier} calls. ${REPORT_THIS}`,
      )
    this.made[tier] += 1
  }

  #observe(agent: Transport): Transport {
    return {
      request: async (options) => {
        const response = await agent.request(options)
        this.#noteHeaders(tierOf(options.method), response.headers)
        return response
      },
      destroy: () => agent.destroy(),
    }
  }

  #noteHeaders(tier: Tier, headers: IncomingHttpHeaders): void {
    if (httpDateMs(String(headers.date), this.#clock.now()) === null) this.undated += 1
    for (const [name, value] of Object.entries(headers))
      if (/^(x-)?rate-?limit/i.test(name)) this.limitHeaders[tier].set(name, String(value).slice(0, 100))
  }
}

type Listed = Pick<z.output<typeof TokensResponse>, 'data'> & { links: Links }
type Links = { self?: { href?: string }; next?: { href?: string } } | null

/** With the link to the page itself, which the service does not need. */
function linksIn({ text }: QlikResponse): Links {
  const { links } = (jsonOrUndefined(text) ?? {}) as { links?: Links }
  return links ?? null
}

/** @throws QlikFailure */
export function readOr<T>(response: QlikResponse, schema: z.ZodType<T>): T {
  const failure = failureOf(response, [200])
  if (failure) throw failure
  return read(response, schema)
}

/** The roles that Qlik reports; null if it reports none. @throws QlikFailure */
export function ownUserIn(response: QlikResponse): { id: string; roles: string[] | null } {
  const { id, roles, assignedRoles } = readOr(response, OwnUserResponse)
  const names = [...(roles ?? []), ...(assignedRoles ?? []).map(({ name }) => name)]
  return { id, roles: roles || assignedRoles ? names : null }
}

/** Of the calls that a probe makes. */
function tierOf(method: string): Tier {
  return method === 'GET' ? 1 : 2
}
