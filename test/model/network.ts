import type { Tier } from '../../src/qlik/budget/permit-log.ts'
import type { Route, Transport } from '../../src/qlik/http.ts'
import { type FaultKind, Faults } from './faults.ts'
import { Limiter } from './limiter.ts'
import type { ProcessClock } from './process-clock.ts'
import type { ModelTenant } from './tenant.ts'
import { type ApiAnswer, routeOf, type TenantApi } from './tenant-api.ts'
import type { Timeline } from './timeline.ts'

type Request = Parameters<Transport['request']>[0]
type Response = Awaited<ReturnType<Transport['request']>>

/** A request of a process. */
export interface ModelCall {
  process: object
  route: Route
  tier: Tier
  /** The token to delete. */
  tokenId: string | null
}

/** A response under way, and the wait that it requests (true time). */
interface Reply extends ApiAnswer {
  waitUntil?: number
}

/** Observes the network. */
export interface NetworkObserver {
  onSent(call: ModelCall): void
  /** @param reply null if no response arrived; the call may or may not have taken effect */
  onEnd(call: ModelCall, reply: Reply | null): void
  /** A call exceeded the limits of the tenant. */
  onExceeded(call: ModelCall): void
}

/** Curfew's timeout for a response. */
export const TIMEOUT_MS = 10_000
/** Delay of a `late` response; less than the timeout. */
const LATE_MS = { least: 2_000, most: 8_500 }
/** Value of `Retry-After` if a fault blocks the tier. */
const BLOCK_SECONDS = 7

export interface NetworkOptions {
  tenant: ModelTenant
  api: TenantApi
  timeline: Timeline
  random: () => number
  /** The maximum usual latency in each direction. */
  latencyMs: number
  observer: NetworkObserver
}

/** Delivers requests to the model tenant and responses back, in true time: late, in any order, or not at all. */
export class Network {
  readonly faults = new Faults()
  readonly limiter: Limiter
  readonly #options: NetworkOptions

  constructor(options: NetworkOptions) {
    this.#options = options
    const { limits, windowMs } = options.tenant.settings
    this.limiter = new Limiter(limits, windowMs)
  }

  /** Replaces undici's `Agent` for a process. */
  transportOf(process: object, clock: ProcessClock): Transport {
    const underWay = new Set<Exchange>()
    return {
      request: (request) => {
        const url = new URL(request.path, 'https://tenant.example')
        const route = routeOf(String(request.method), url)
        const tier = route === 'token' || route === 'revoke' ? 2 : 1
        const tokenId = route === 'revoke' ? decodeURIComponent(url.pathname.split('/').at(-1) ?? '') : null
        const exchange = new Exchange({ process, route, tier, tokenId }, this.#options, clock)
        // An ended process sends nothing.
        if (!clock.isDead) this.#send(exchange, url, request)
        underWay.add(exchange)
        return exchange.response.finally(() => underWay.delete(exchange))
      },
      destroy: async () => {
        for (const exchange of underWay) exchange.lose(new Error('destroyed'))
      },
    }
  }

  #send(exchange: Exchange, url: URL, { signal, headers }: Request): void {
    const { call } = exchange
    if (signal && 'addEventListener' in signal)
      signal.addEventListener('abort', () => exchange.lose(new Error('aborted')))
    this.#options.observer.onSent(call)
    const fault = this.faults.take(call.route)
    if (fault === 'refused') this.#later(() => exchange.break('ECONNREFUSED'))
    else this.#later(() => this.#arrive(exchange, url, accessTokenOf(headers), fault))
  }

  #arrive(exchange: Exchange, url: URL, accessToken: string, fault: FaultKind | null): void {
    const { tenant, api, timeline, observer } = this.#options
    const { call } = exchange
    const { now } = timeline
    const taken = this.limiter.take(call.tier, now, false)
    if (taken.isExceeded) observer.onExceeded(call)
    if (taken.waitMs > 0) {
      const headers = { 'retry-after': String(Math.ceil(taken.waitMs / 1000)) }
      this.#later(() => exchange.reply({ status: 429, headers, waitUntil: now + taken.waitMs }, now))
      return
    }
    const takesEffect = fault === null || fault === 'late' || fault.endsWith('-after')
    const access = tenant.accessTokens.find(({ value }) => value === accessToken) ?? null
    const answer = takesEffect ? api.answer({ route: call.route, url, access }) : { status: 500 }
    if (fault?.startsWith('silence')) return
    if (fault?.startsWith('reset')) this.#later(() => exchange.break('ECONNRESET'))
    else {
      const reply = this.#spoilt(fault, call, answer)
      const lateMs = LATE_MS.least + Math.ceil(this.#options.random() * (LATE_MS.most - LATE_MS.least))
      this.#later(() => exchange.reply(reply, now), fault === 'late' ? lateMs : 0)
    }
  }

  /** Applies a fault to a response. */
  #spoilt(fault: FaultKind | null, { tier, route }: ModelCall, answer: ApiAnswer): Reply {
    if (fault === null || fault === 'late') return answer
    if (fault.startsWith('garbage')) return { status: 200, body: '<html>' }
    if (fault === 'lie') return route === 'revoke' ? { status: 204 } : { status: 502 }
    const status = Number(fault.slice(0, 3))
    if (status === 503) return { status, headers: { 'retry-after': '2' } }
    return status === 429 ? { status, ...this.#block(fault, tier) } : { status }
  }

  #block(fault: FaultKind, tier: Tier): Omit<Reply, 'status'> {
    const { tenant, timeline } = this.#options
    if (fault === '429-untold') return {}
    if (fault === '429-nonsense') return { headers: { 'retry-after': 'soon' } }
    const isDate = fault === '429-date'
    const until = tenant.now() + BLOCK_SECONDS * 1000
    // Dates have whole seconds.
    const waitUntil =
      timeline.now + (isDate ? Math.ceil(until / 1000) * 1000 - tenant.now() : BLOCK_SECONDS * 1000)
    this.limiter.block(tier, waitUntil)
    const header = isDate ? new Date(tenant.toTenantTime(waitUntil)).toUTCString() : String(BLOCK_SECONDS)
    return { headers: { 'retry-after': header }, waitUntil }
  }

  #later(run: () => unknown, moreMs = 0): void {
    const { timeline, random, latencyMs } = this.#options
    timeline.at(timeline.now + Math.ceil(random() * latencyMs) + moreMs, run)
  }
}

/** A request and its result. */
class Exchange {
  readonly call: ModelCall
  readonly response: Promise<Response>
  readonly #options: NetworkOptions
  readonly #clock: ProcessClock
  readonly #resolve: (response: Response) => void
  readonly #reject: (error: Error) => void
  #isOpen = true

  constructor(call: ModelCall, options: NetworkOptions, clock: ProcessClock) {
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    this.call = call
    this.response = promise
    this.#options = options
    this.#clock = clock
    this.#resolve = resolve
    this.#reject = reject
  }

  /** A response arrives that was written at `writtenAt` (true time). */
  reply(reply: Reply, writtenAt: number): void {
    const { status, headers, body = '' } = reply
    const date = new Date(this.#options.tenant.toTenantTime(writtenAt)).toUTCString()
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    this.#clock.receive(() => {
      const response = { statusCode: status, headers: { date, ...headers }, body: { text: async () => text } }
      this.#end(reply, () => this.#resolve(response))
    })
  }

  /** The connection breaks, or cannot be established. */
  break(code: string): void {
    this.#clock.receive(() => this.lose(Object.assign(new Error(code), { code })))
  }

  /** No response arrives. */
  lose(error: Error): void {
    this.#end(null, () => this.#reject(error))
  }

  #end(reply: Reply | null, settle: () => void): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#options.observer.onEnd(this.call, reply)
    settle()
    this.#options.timeline.note()
  }
}

function accessTokenOf(headers: Request['headers']): string {
  const all = headers && !Array.isArray(headers) && !(Symbol.iterator in headers) ? headers : {}
  return String(all.authorization ?? '').slice('Bearer '.length)
}
