import type { IncomingHttpHeaders } from 'node:http'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../base/clock.ts'
import { ClockOffset } from '../base/clock-offset.ts'
import { httpDateMs } from '../base/http-date.ts'
import { type Interval, midpointOf } from '../base/interval.ts'
import { retryAfterMs } from '../base/retry-after.ts'
import { wallLead } from '../base/steady-clock.ts'
import { QlikFailure } from '../revocation/qlik-tenant.ts'
import { type Deprecation, type ResponseHeaders, readDeprecation } from './deprecation.ts'

/** Names used in the metrics. */
export type Route = 'token' | 'me' | 'user' | 'users' | 'list' | 'revoke'

export interface Call {
  route: Route
  method: 'GET' | 'POST' | 'DELETE'
  /** Path and query, exactly as sent. */
  path: string
  accessToken?: string
  form?: Record<string, string>
  signal: AbortSignal
}

export interface QlikResponse {
  route: Route
  status: number
  location: string | null
  /** When the tenant responded, by its own clock; ms since the epoch. */
  date: number
  retryAfterMs: number | null
  deprecation: Deprecation | null
  text: string
}

/** A finished call; status 0 means that there was no response. */
export interface MadeCall {
  route: Route
  status: number
  seconds: number
  /** What the response reports about the end of its endpoint. */
  deprecation: Deprecation | null
}

/** Errors that mean that no connection was established (codes of Node and undici). */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Sends requests to the tenant: undici's `Agent`, unless replaced. */
export interface Transport {
  request(
    options: Dispatcher.RequestOptions,
  ): Promise<{ statusCode: number; headers: IncomingHttpHeaders; body: { text(): Promise<string> } }>
  /** Aborts requests in flight. */
  destroy(): Promise<void>
}
export type OpenTransport = (options: Pick<QlikHttpOptions, 'timeoutMs'>) => Transport

export interface QlikHttpOptions {
  /** `https://host[:port]`, without a path. */
  origin: string
  /** Release of Qlik's API that `qlik-api-version` acknowledges; `none` sends no such header. */
  apiVersion: string
  timeoutMs: number
  clock: Clock
  openTransport?: OpenTransport | undefined
  /** Called after each call. */
  onCall: (call: MadeCall) => void
}

/** A page of 100 tokens is about 30 KB. */
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024
/**
 * How long an unused connection is kept, even if the tenant would keep it longer: with thousands of tenants, a
 * process would exceed its limit of open connections.
 */
const MAX_KEEP_ALIVE_MS = 5_000
/** A Date header further away than this is treated as a mistake. */
const MAX_CLOCK_OFFSET_MS = 24 * 60 * 60_000

/**
 * Makes single calls to one origin: no retries, no redirects, a time limit on each phase and on the whole call.
 * `responses.ts` interprets the responses.
 */
export class QlikHttp {
  readonly #options: QlikHttpOptions
  readonly #transport: Transport
  readonly #clockOffset: ClockOffset

  constructor(options: QlikHttpOptions) {
    const { openTransport = openAgent } = options
    this.#options = options
    this.#clockOffset = new ClockOffset(options.clock)
    this.#transport = openTransport(options)
  }

  /** @throws QlikFailure `unavailable` if no complete response arrived; the signal's reason if it aborts */
  async send(call: Call): Promise<QlikResponse> {
    const { clock, onCall } = this.#options
    call.signal.throwIfAborted()
    const startedAt = clock.monotonic()
    let status = 0
    let deprecation: Deprecation | null = null
    try {
      const response = await this.#exchange(call)
      status = response.status
      deprecation = response.deprecation
      return response
    } catch (cause) {
      call.signal.throwIfAborted()
      const reason = reasonOf(cause)
      throw new QlikFailure('unavailable', `No response to ${call.method} ${call.route}: ${reason}.`, {
        cause,
        isUnsent: NOT_CONNECTED.has(reason),
      })
    } finally {
      onCall({ route: call.route, status, seconds: (clock.monotonic() - startedAt) / 1000, deprecation })
    }
  }

  get origin(): string {
    return this.#options.origin
  }

  /** The tenant's clock minus `Clock.monotonic`, from the `Date` headers of its responses; null if unknown. */
  get clockOffset(): Interval | null {
    return this.#clockOffset.interval()
  }

  /** Best estimate of the tenant's clock minus our wall clock, in ms; 0 if unknown. */
  get wallOffsetMs(): number {
    const { clockOffset } = this
    return clockOffset ? midpointOf(clockOffset) - wallLead(this.#options.clock) : 0
  }

  /** The current time by the tenant's clock if known, otherwise by ours; ms since the epoch. */
  tenantNow(): number {
    return this.#options.clock.now() + this.wallOffsetMs
  }

  close(): Promise<void> {
    return this.#transport.destroy()
  }

  async #exchange(call: Call): Promise<QlikResponse> {
    const { origin, apiVersion, clock, timeoutMs } = this.#options
    const limit = new AbortController()
    const onAbort = () => limit.abort(call.signal.reason)
    call.signal.addEventListener('abort', onAbort, { once: true })
    const cancelTimer = clock.after(timeoutMs, () => limit.abort(new Error('timeout')))
    try {
      const noteReading = this.#clockOffset.begin()
      const response = await this.#transport.request({
        origin,
        path: call.path,
        method: call.method,
        headers: headersOf(call, apiVersion),
        body: call.form ? new URLSearchParams(call.form).toString() : null,
        signal: limit.signal,
      })
      // Before the body, which may take a while.
      const date = this.#noteDate(one(response.headers.date), noteReading)
      const text = await response.body.text()
      return {
        route: call.route,
        status: response.statusCode,
        location: one(response.headers.location) ?? null,
        date,
        retryAfterMs: this.#retryAfterMs(response.headers),
        deprecation: readDeprecation(response.headers, date),
        text,
      }
    } finally {
      cancelTimer()
      call.signal.removeEventListener('abort', onAbort)
    }
  }

  #retryAfterMs(headers: ResponseHeaders): number | null {
    const header = one(headers['retry-after'])
    return header === undefined ? null : retryAfterMs(header, this.#earliestTime(headers))
  }

  /** Lower bound of the tenant's clock: the Date of the response itself, even if wrong, truncated to whole seconds. */
  #earliestTime({ date }: ResponseHeaders): number {
    const { clock } = this.#options
    const offset = this.clockOffset
    const guess = offset ? clock.monotonic() + offset.earliest : clock.now() - 500
    return httpDateMs(one(date) ?? '', guess) ?? guess
  }

  /**
   * @returns the tenant's time: a Date header has whole seconds, so on average the response was written half a second
   * later
   */
  #noteDate(header: string | undefined, noteReading: (reading: Interval) => void): number {
    const now = this.#options.clock.now()
    const earliest = Date.parse(header ?? '')
    if (!(Math.abs(earliest - now) <= MAX_CLOCK_OFFSET_MS)) return now + this.wallOffsetMs
    noteReading({ earliest, latest: earliest + 1_000 })
    return earliest + 500
  }
}

/** The connections of `QlikHttp` by default. */
export function openAgent({ timeoutMs }: Pick<QlikHttpOptions, 'timeoutMs'>): Agent {
  return new Agent({
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: MAX_RESPONSE_BYTES,
    connections: 128,
    // Long enough for the user's next page, and for the next user in a burst.
    keepAliveTimeout: MAX_KEEP_ALIVE_MS,
    keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
  })
}

function headersOf({ accessToken, form }: Call, apiVersion: string): Record<string, string> {
  return {
    accept: 'application/json',
    'user-agent': 'curfew',
    ...(apiVersion === 'none' ? {} : { 'qlik-api-version': apiVersion }),
    ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
    ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
  }
}

function one(header: ResponseHeaders[string]): string | undefined {
  return typeof header === 'string' ? header : header?.[0]
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
