import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { CurfewError } from '../base/errors.ts'
import { clientAddress } from '../http/client-address.ts'

/** A problem (RFC 9457), as the API returns it. */
export interface ApiProblem {
  code: string
  title: string
  detail?: string
  action?: string
  errors?: { member: string; expected: string }[]
}

/** The API answered with an error. */
export class ApiError extends Error {
  readonly status: number
  readonly problem: ApiProblem
  /** The header, if there is one. */
  readonly retryAfter: string | undefined

  constructor(status: number, problem: ApiProblem, retryAfter?: string) {
    super(problem.title)
    this.status = status
    this.problem = problem
    this.retryAfter = retryAfter
  }
}

/**
 * Curfew's own API, called with the API key of the operator, as if from the operator's address: the pages show only what the
 * key allows.
 */
export class Api {
  readonly #app: FastifyInstance
  readonly #from: { remoteAddress: string; headers: Record<string, string> }

  constructor(app: FastifyInstance, request: FastifyRequest, apiKey: string) {
    this.#app = app
    const remoteAddress = clientAddress(request)
    // Its connection has closed: the call would seem to come from this machine.
    if (remoteAddress === null) throw new CurfewError('CURFEW_REQUEST_INVALID')
    this.#from = { remoteAddress, headers: { authorization: `Bearer ${apiKey}` } }
  }

  /** @throws ApiError */
  async get<Body>(path: string, query: Record<string, string | undefined> = {}): Promise<Body> {
    return this.#call<Body>('GET', withQuery(path, query))
  }

  /**
   * @param idempotencyKey makes a request that is sent twice take effect once
   * @throws ApiError
   */
  async post<Body>(
    path: string,
    {
      query = {},
      idempotencyKey,
      ...request
    }: { body?: object; query?: Record<string, string | undefined>; idempotencyKey?: string },
  ): Promise<Body> {
    const headers: Record<string, string> =
      idempotencyKey === undefined ? {} : { 'idempotency-key': `"${idempotencyKey}"` }
    return this.#call<Body>('POST', withQuery(path, query), { ...request, headers })
  }

  /**
   * Calls `onChunk` with each part of a response that does not end by itself, and `onEnd` at its end.
   * @returns ends it
   * @throws ApiError
   */
  async follow(path: string, onChunk: (chunk: Buffer) => void, onEnd: () => void): Promise<() => void> {
    const response = await this.#app.inject({
      ...this.#from,
      method: 'GET',
      url: path,
      payloadAsStream: true,
    })
    const stream = response.stream()
    if (response.statusCode !== 200) {
      const text = (await stream.toArray()).join('')
      throw new ApiError(response.statusCode, JSON.parse(text), retryAfterOf(response))
    }
    stream.on('data', onChunk).once('close', onEnd)
    // As if the connection was closed: the route is notified only by its response.
    return () => response.raw.res.destroy()
  }

  async #call<Body>(
    method: 'GET' | 'POST',
    url: string,
    { body, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
  ): Promise<Body> {
    const response = await this.#app.inject({
      ...{ ...this.#from, method, url },
      headers: { ...this.#from.headers, ...headers },
      ...(body === undefined ? {} : { payload: body }),
    })
    const answer = response.json()
    if (response.statusCode >= 200 && response.statusCode < 300) return answer as Body
    // Readiness is an answer, too.
    if (response.statusCode === 503 && 'checks' in answer) return answer as Body
    throw new ApiError(response.statusCode, answer as ApiProblem, retryAfterOf(response))
  }
}

function retryAfterOf({ headers }: { headers: OutgoingHttpHeaders }): string | undefined {
  const value = headers['retry-after']
  return value === undefined ? undefined : String(value)
}

function withQuery(path: string, query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]))
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}
