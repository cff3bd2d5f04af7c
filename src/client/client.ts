import { createHmac, randomUUID } from 'node:crypto'
import { apiError, bodyOf, isTimeout, networkError, parse, timeoutError } from './answers.ts'
import { type Attempt, type RetryLimits, retryAfterMs, withRetries } from './retry.ts'
import {
  type Accepted,
  type Batch,
  type CallOptions,
  type ClientOptions,
  CurfewApiError,
  type Failed,
  type Revocation,
  type RevokedUsers,
  type RevokeUsersOptions,
  type SignalOptions,
  type User,
} from './types.ts'

export type * from './types.ts'
export { CurfewApiError } from './types.ts'

/**
 * Calls a running Curfew.
 *
 * @example
 * import { CurfewClient } from 'curfew/client'
 *
 * const curfew = new CurfewClient({ url: 'https://curfew.internal', webhookSecret: process.env.WEBHOOK_SECRET })
 * const result = await curfew.endAccess({ email: 'ann@example.com' }, { occurredAt: new Date() })
 * if (!result.ok) console.error('Qlik access not ended', result)
 */
export class CurfewClient {
  readonly #url: string
  readonly #apiKey: string | undefined
  readonly #secret: Buffer | undefined
  readonly #limits: RetryLimits

  /** @throws TypeError if `url` is not an http URL, or there is neither a secret nor a key */
  constructor({ url, webhookSecret, apiKey, ...limits }: ClientOptions) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new TypeError('url: expected the address of Curfew, such as https://curfew.internal')
    if (!webhookSecret && !apiKey) throw new TypeError('expected a webhookSecret or an apiKey')
    this.#url = url.replace(/\/+$/, '')
    this.#apiKey = apiKey
    this.#secret = webhookSecret ? Buffer.from(webhookSecret.replace(/^whsec_/, ''), 'base64') : undefined
    const { attempts = 5, attemptTimeoutMs = 3_000, totalTimeoutMs = 15_000 } = limits
    this.#limits = { attempts, attemptTimeoutMs, totalTimeoutMs }
  }

  /**
   * Ends the user's access to Qlik Cloud. Returns once Curfew has stored the signal; the revocation follows.
   *
   * Destroy the local session first. This does not throw if Curfew is unreachable or rejects the signal: check `ok`, and
   * alert on a failure, because the user then keeps access.
   *
   * Network errors, timeouts, 5xx and 429 are retried with the same body and `webhookId`. Therefore a retry after a lost
   * answer is not a second logout, and a retry that arrives late does not end a later login. Retries are lost if the process
   * is killed; an outbox makes them durable: store the user, `reason`, `occurredAt` and a `webhookId` in the transaction that ends
   * the session, and call this with them until the result is `ok`.
   */
  async endAccess(user: User, options: SignalOptions = {}): Promise<Accepted | Failed> {
    const {
      webhookId = `msg_${randomUUID()}`,
      waitSeconds,
      occurredAt = new Date(),
      reason = 'logout',
    } = options
    const { tenant, deviceType, scope, notify } = options
    const { userId, subject, email } = user
    const body = JSON.stringify({
      userId,
      subject,
      email,
      reason,
      occurredAt,
      tenant,
      deviceType,
      scope,
      notify,
    })
    const { result, attempts } = await withRetries(this.#limitsFor(waitSeconds), async (timeoutMs) => {
      const sent = await this.#attempt('POST', '/logout-hook', {
        headers: {
          ...this.#signalHeaders(webhookId, body),
          'content-type': 'application/json',
          ...prefer(waitSeconds),
        },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      })
      return sent.result instanceof CurfewApiError
        ? { ...sent, result: sent.result }
        : readAnswer(sent.result)
    })
    if (result instanceof CurfewApiError) return { ok: false, code: result.code, webhookId, attempts }
    const { revocation, status } = result
    // A 2xx without an id is not from Curfew.
    if (typeof revocation?.id !== 'string') return { ok: false, code: `HTTP_${status}`, webhookId, attempts }
    return { ok: true, revocationId: revocation.id, revocation, webhookId, attempts }
  }

  /**
   * Revokes the tokens of up to 1,000 users; requires an API key. Returns once Curfew has stored all valid users, with their
   * batch: more users can be added to it by its id.
   * @throws CurfewApiError
   */
  revokeUsers(
    users: readonly User[],
    { idempotencyKey = randomUUID(), occurredAt = new Date(), ...details }: RevokeUsersOptions = {},
  ): Promise<RevokedUsers> {
    const { reason, scope, tenant, deviceType, notify, batch } = details
    const named = users.map(({ userId, subject, email }) => ({ userId, subject, email }))
    const body = { users: named, reason, occurredAt, scope, tenant, deviceType, notify, batch }
    return this.call('POST', '/revocations', { body, idempotencyKey })
  }

  /** Returns the state of a batch. @throws CurfewApiError */
  batch(id: string, options: { tenant?: string | undefined; signal?: AbortSignal } = {}): Promise<Batch> {
    const { tenant, ...rest } = options
    return this.call('GET', `/batches/${encodeURIComponent(id)}`, { query: { tenant }, ...rest })
  }

  /** Returns a revocation. @throws CurfewApiError */
  revocation(id: string, { waitSeconds }: { waitSeconds?: number | undefined } = {}): Promise<Revocation> {
    return this.call('GET', `/revocations/${encodeURIComponent(id)}`, { waitSeconds })
  }

  /** Returns revocations, newest first, page by page. @throws CurfewApiError */
  revocations(query: CallOptions['query'] = {}): AsyncGenerator<Revocation> {
    return this.pages('/revocations', query)
  }

  /** The items of all pages of a list. @throws CurfewApiError */
  async *pages<T>(path: string, query: CallOptions['query'] = {}): AsyncGenerator<T> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.call<{ items: T[]; nextCursor: string | null }>('GET', path, {
        query: { ...query, cursor },
      })
      yield* page.items
      if (page.nextCursor === null) return
      cursor = page.nextCursor
    }
  }

  /**
   * Calls a route with the API key and returns the JSON of its response. Temporary failures are retried, those of a `POST`
   * only with an `idempotencyKey`.
   * @throws CurfewApiError
   */
  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.open(method, path, options)
    return (await bodyOf(response).catch((error) => Promise.reject(networkError(error)))) as T
  }

  /** Calls a route and returns its response with the body still unread, for large ones. @throws CurfewApiError */
  async open(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const { query, body, idempotencyKey, waitSeconds, accept, signal } = options
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query ?? {}))
      if (value !== undefined) search.set(name, String(value))
    const headers: Record<string, string> = { ...prefer(waitSeconds) }
    if (this.#apiKey) headers.authorization = `Bearer ${this.#apiKey}`
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (idempotencyKey) headers['idempotency-key'] = `"${idempotencyKey}"`
    const isRepeatable = method !== 'POST' || idempotencyKey !== undefined
    const limits = this.#limitsFor(waitSeconds)
    const { result } = await withRetries(
      isRepeatable ? limits : { ...limits, attempts: 1 },
      async (timeoutMs) => {
        // Ends with the headers: the body may be large.
        const timeout = new AbortController()
        const timer = setTimeout(() => timeout.abort(timeoutError()), timeoutMs)
        try {
          return await this.#attempt(method, `${path}${search.size > 0 ? `?${search}` : ''}`, {
            headers,
            accept,
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            signal: AbortSignal.any([timeout.signal, ...(signal ? [signal] : [])]),
          })
        } finally {
          clearTimeout(timer)
        }
      },
    )
    if (result instanceof CurfewApiError) throw result
    return result
  }

  async #attempt(
    method: string,
    path: string,
    { accept = [], ...init }: RequestInit & { accept?: readonly number[] | undefined },
  ): Promise<Attempt<Response | CurfewApiError>> {
    try {
      // A followed redirect would turn a POST into a GET.
      const response = await fetch(`${this.#url}${path}`, { method, redirect: 'manual', ...init })
      if (response.ok || accept.includes(response.status))
        return { result: response, isTemporary: false, retryAfterMs: 0 }
      return {
        result: apiError(response, await bodyOf(response)),
        isTemporary: response.status >= 500 || response.status === 429,
        retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
      }
    } catch (error) {
      const isAborted = init.signal?.aborted === true && !isTimeout(init.signal.reason)
      return { result: networkError(error), isTemporary: !isAborted, retryAfterMs: 0 }
    }
  }

  #limitsFor(waitSeconds = 0): RetryLimits {
    const { attempts, attemptTimeoutMs, totalTimeoutMs } = this.#limits
    const waitMs = waitSeconds * 1000
    return { attempts, attemptTimeoutMs: attemptTimeoutMs + waitMs, totalTimeoutMs: totalTimeoutMs + waitMs }
  }

  /** Signed with the current time: Curfew rejects signatures older than 5 minutes. */
  #signalHeaders(id: string, body: string): Record<string, string> {
    if (!this.#secret) return { authorization: `Bearer ${this.#apiKey}`, 'idempotency-key': `"${id}"` }
    const timestamp = String(Math.floor(Date.now() / 1000))
    const signature = createHmac('sha256', this.#secret).update(`${id}.${timestamp}.${body}`).digest('base64')
    return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
  }
}

function prefer(waitSeconds: number | undefined): Record<string, string> {
  return waitSeconds ? { prefer: `wait=${waitSeconds}` } : {}
}

/** An answer that is cut off is sent again with the next attempt. */
async function readAnswer(
  response: Response,
): Promise<Attempt<{ status: number; revocation: Revocation | null } | CurfewApiError>> {
  const { status } = response
  try {
    const revocation = parse(await response.text()) as Revocation | null
    return { result: { status, revocation }, isTemporary: false, retryAfterMs: 0 }
  } catch (error) {
    return { result: networkError(error), isTemporary: true, retryAfterMs: 0 }
  }
}
