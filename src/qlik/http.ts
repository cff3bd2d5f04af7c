import type { IncomingHttpHeaders } from 'node:http'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../base/clock.ts'
import { ClockOffset } from '../base/clock-offset.ts'
import { httpDateMs } from '../base/http-date.ts'
import { type Interval, midpointOf } from '../base/interval.ts'
import { retryAfterMs } from '../base/retry-after.ts'
import { wallLead } from '../base/steady-clock.ts'
import { QlikFailure } from '../revocation/qlik-tenant.ts'
import { type AnswerHeaders, type Deprecation, readDeprecation } from './deprecation.ts'

/** The names under which calls are counted in the metrics. */
export type Route = 'token' | 'me' | 'user' | 'users' | 'list' | 'revoke'

export interface Call {
  route: Route
  method: 'GET' | 'POST' | 'DELETE'
  /** Path and query, as they go over the wire. */
  path: string
  accessToken?: string
  form?: Record<string, string>
  signal: AbortSignal
}

export interface Answer {
  route: Route
  status: number
  location: string | null
  /** When the tenant answered, by its own clock; ms since the epoch. */
  date: number
  retryAfterMs: number | null
  deprecation: Deprecation | null
  text: string
}

/** A call that was made; status 0 stands for one without an answer. */
export interface MadeCall {
  route: Route
  status: number
  seconds: number
  /** What the answer says about the end of its endpoint. */
  deprecation: Deprecation | null
}

/** Reasons for which no connection came about (Node's and undici's codes). */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** What carries requests to the tenant: undici's `Agent`, unless something stands in for it. */
export interface Transport {
  request(
    options: Dispatcher.RequestOptions,
  ): Promise<{ statusCode: number; headers: IncomingHttpHeaders; body: { text(): Promise<string> } }>
  /** Ends what is under way. */
  destroy(): Promise<void>
}
export type OpenTransport = (options: Pick<QlikHttpOptions, 'timeoutMs'>) => Transport

export interface QlikHttpOptions {
  /** `https://host[:port]`, nothing behind it. */
  origin: string
  /** The release of Qlik's API that is acknowledged by `qlik-api-version`, or `none`: then no such header is sent. */
  apiVersion: string
  timeoutMs: number
  clock: Clock
  openTransport?: OpenTransport | undefined
  /** Called after each call. */
  onCall: (call: MadeCall) => void
}

/** A page of 100 tokens is about 30 KB. */
const LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
/**
 * How long an unused connection is kept, also where the tenant would keep it longer: with thousands of tenants there
 * would be more than a process may have open.
 */
const KEEP_ALIVE_AT_MOST_MS = 5_000
/** A Date header further away than this is taken for a mistake. */
const LARGEST_CLOCK_OFFSET_MS = 24 * 60 * 60_000

/**
 * Makes single calls to one origin: no retries, no redirects, a time limit on every phase and on the whole.
 * What an answer means is in `answers.ts`.
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

  /** @throws QlikFailure `unavailable` when no whole answer came; the signal's reason when it aborts */
  async send(call: Call): Promise<Answer> {
    const { clock, onCall } = this.#options
    call.signal.throwIfAborted()
    const startedAt = clock.monotonic()
    let status = 0
    let deprecation: Deprecation | null = null
    try {
      const answer = await this.#exchange(call)
      status = answer.status
      deprecation = answer.deprecation
      return answer
    } catch (cause) {
      call.signal.throwIfAborted()
      const reason = reasonOf(cause)
      throw new QlikFailure('unavailable', `No answer to ${call.method} ${call.route}: ${reason}.`, {
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

  /** The tenant's clock minus `Clock.monotonic`, by the `Date` headers of its answers; null while it is not known. */
  get clockOffset(): Interval | null {
    return this.#clockOffset.interval()
  }

  /** The tenant's clock minus our wall clock in ms, as a best guess; 0 while it is not known. */
  get wallOffsetMs(): number {
    const { clockOffset } = this
    return clockOffset ? midpointOf(clockOffset) - wallLead(this.#options.clock) : 0
  }

  /** Now by the tenant's clock as far as it is known, else by ours; ms since the epoch. */
  tenantNow(): number {
    return this.#options.clock.now() + this.wallOffsetMs
  }

  close(): Promise<void> {
    return this.#transport.destroy()
  }

  async #exchange(call: Call): Promise<Answer> {
    const { origin, apiVersion, clock, timeoutMs } = this.#options
    const limit = new AbortController()
    const onAbort = () => limit.abort(call.signal.reason)
    call.signal.addEventListener('abort', onAbort, { once: true })
    const cancelTimer = clock.after(timeoutMs, () => limit.abort(new Error('timeout')))
    try {
      const noteReading = this.#clockOffset.begin()
      const answer = await this.#transport.request({
        origin,
        path: call.path,
        method: call.method,
        headers: headersOf(call, apiVersion),
        body: call.form ? new URLSearchParams(call.form).toString() : null,
        signal: limit.signal,
      })
      // Before the body: that may take its time.
      const date = this.#noteDate(one(answer.headers.date), noteReading)
      const text = await answer.body.text()
      return {
        route: call.route,
        status: answer.statusCode,
        location: one(answer.headers.location) ?? null,
        date,
        retryAfterMs: this.#retryAfterMs(answer.headers),
        deprecation: readDeprecation(answer.headers, date),
        text,
      }
    } finally {
      cancelTimer()
      call.signal.removeEventListener('abort', onAbort)
    }
  }

  #retryAfterMs(headers: AnswerHeaders): number | null {
    const header = one(headers['retry-after'])
    return header === undefined ? null : retryAfterMs(header, this.#earliestTime(headers))
  }

  /** The earliest that the tenant's clock may show: the Date of the answer itself, however wrong, is cut to whole seconds. */
  #earliestTime({ date }: AnswerHeaders): number {
    const { clock } = this.#options
    const offset = this.clockOffset
    const guess = offset ? clock.monotonic() + offset.earliest : clock.now() - 500
    return httpDateMs(one(date) ?? '', guess) ?? guess
  }

  /** @returns the tenant's time: a Date header has whole seconds, on average the answer was written half a second later */
  #noteDate(header: string | undefined, noteReading: (reading: Interval) => void): number {
    const now = this.#options.clock.now()
    const earliest = Date.parse(header ?? '')
    if (!(Math.abs(earliest - now) <= LARGEST_CLOCK_OFFSET_MS)) return now + this.wallOffsetMs
    noteReading({ earliest, latest: earliest + 1_000 })
    return earliest + 500
  }
}

function openAgent({ timeoutMs }: Pick<QlikHttpOptions, 'timeoutMs'>): Agent {
  return new Agent({
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: LARGEST_ANSWER_BYTES,
    connections: 128,
    // Long enough for a user's next page, and for the next user in a burst.
    keepAliveTimeout: KEEP_ALIVE_AT_MOST_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_AT_MOST_MS,
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

function one(header: AnswerHeaders[string]): string | undefined {
  return typeof header === 'string' ? header : header?.[0]
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
