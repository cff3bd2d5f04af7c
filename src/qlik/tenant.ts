import type { Clock } from '../clock.ts'
import {
  type CallOptions,
  type ClientPower,
  type Power,
  type PowerOptions,
  QlikFailure,
  type QlikTenant,
  type TokenPage,
  type UserMatch,
} from '../revocation/qlik-tenant.ts'
import { type CallContext, judgeCall, toFailure } from '../revocation/retry-policy.ts'
import type { Failure } from '../revocation/revocation.ts'
import type { UserReference } from '../revocation/signal.ts'
import { abortable } from './abortable.ts'
import { AccessTokenCache } from './access-token.ts'
import type { AccessToken, QlikClient } from './client.ts'
import type { QlikHttp } from './http.ts'
import type { OpenBudget } from './open-budget.ts'
import type { Tier } from './permit-log.ts'
import { PowerMonitor } from './power.ts'
import type { RateBudget } from './rate-budget.ts'
import type { Permit } from './tier-gate.ts'

/** The access token goes before everything: all other calls wait for it. */
const ACCESS_TOKEN_URGENCY = -1
const CHECK_AGAIN_MS = 30_000

export interface TenantOptions {
  name: string
  /** Id of the OAuth client. */
  clientId: string
  concurrency: number
  client: QlikClient
  http: QlikHttp
  budget: OpenBudget
  clock: Clock
  onPowerChange: (power: Power) => void
  onBackgroundFailure: (error: unknown) => void
}

/** A call that was made: its answer, or why it is to be made again. */
type Spent<T> = { answer: T; again: null } | { answer: null; again: 'renew-access-token' | 'wait' }

/** What operators are told of a tenant. */
export interface TenantState {
  power: Power | 'not-checked'
  /** Why the last look at the tenant in the background failed, or null. */
  failure: Failure | null
  clockOffsetMs: number
}

/**
 * One Qlik Cloud tenant: every call with a permit of the budget and a valid access token, repeated only where
 * the retry policy says so.
 */
export class HttpQlikTenant implements QlikTenant {
  readonly name: string
  readonly clientId: string
  readonly concurrency: number
  readonly budget: RateBudget
  readonly #client: QlikClient
  readonly #options: TenantOptions
  readonly #accessTokens: AccessTokenCache
  readonly #powerMonitor: PowerMonitor
  readonly #lifetime = new AbortController()
  #failure: Failure | null = null
  #isResting = false
  #users = 0
  #usedAt: number
  #cancelTimer = () => {}

  constructor(options: TenantOptions) {
    const { name, clientId, concurrency, client, budget, clock, onPowerChange, onBackgroundFailure } = options
    this.name = name
    this.clientId = clientId
    this.concurrency = concurrency
    this.budget = budget.rate
    this.#usedAt = clock.monotonic()
    this.#client = client
    this.#options = options
    this.#accessTokens = new AccessTokenCache(() => this.#requestAccessToken(), {
      clock,
      onRenewalFailure: onBackgroundFailure,
    })
    const own: CallOptions = { urgency: 0, signal: this.#lifetime.signal }
    this.#powerMonitor = new PowerMonitor({
      clock,
      onChange: onPowerChange,
      ownUser: async () => {
        const me = await this.#call(1, own, (token) => client.me(token, own.signal))
        return 'path' in me ? this.#call(1, own, (token) => client.user(token, me.path, own.signal)) : me
      },
      visibleOwners: async () => {
        const everything = { userId: null, page: null }
        const { owners } = await this.#call(1, own, (token) =>
          client.listTokens(token, everything, own.signal),
        )
        return owners
      },
    })
  }

  /**
   * Looks at the client's power in the background, now and from time to time; resolves when the budget is read back.
   * Calls can be made at once: they wait for that, and try it again where it fails.
   */
  start(): Promise<void> {
    this.#checkFromTimeToTime()
    return this.#options.budget.restore()
  }

  /** Looks at nothing by itself any more; calls go on. */
  rest(): void {
    this.#isResting = true
    this.#cancelTimer()
  }

  /** Somebody has taken it into use, and may call soon. */
  noteUse(): void {
    this.#usedAt = this.#options.clock.monotonic()
  }

  /** For how long nobody has used it, in ms; 0 while somebody waits for an answer. Its own looks do not count. */
  idleMs(): number {
    return this.#users > 0 ? 0 : this.#options.clock.monotonic() - this.#usedAt
  }

  /** Ends everything that waits or is under way. */
  async stop(): Promise<void> {
    this.rest()
    this.#lifetime.abort()
    await this.#options.http.close()
  }

  get state(): TenantState {
    const power = this.#powerMonitor.known?.power ?? 'not-checked'
    return { power, failure: this.#failure, clockOffsetMs: this.clockOffset() }
  }

  clockOffset(): number {
    return this.#options.http.clockOffset
  }

  power({ signal, knownForMs }: PowerOptions): Promise<ClientPower> {
    return this.#inUse(() => abortable(this.#powerMonitor.get(knownForMs), signal))
  }

  findUsers(user: UserReference, call: CallOptions): Promise<UserMatch[]> {
    return this.#inUse(() => this.#call(1, call, (token) => this.#client.findUsers(token, user, call.signal)))
  }

  async listTokens(userId: string, page: string | null, call: CallOptions): Promise<TokenPage> {
    const { tokens, next, owners } = await this.#inUse(() =>
      this.#call(1, call, (token) => this.#client.listTokens(token, { userId, page }, call.signal)),
    )
    this.#powerMonitor.noteOwners(owners)
    return { tokens, next }
  }

  revokeToken(id: string, call: CallOptions): Promise<'revoked' | 'already-gone'> {
    return this.#inUse(() => this.#call(2, call, (token) => this.#client.revokeToken(token, id, call.signal)))
  }

  async #inUse<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1
    try {
      return await work()
    } finally {
      this.#users -= 1
      this.noteUse()
    }
  }

  /** Makes a call, again after a 401 with a new access token and after a 429 when the tier is free again. */
  async #call<T>(tier: Tier, options: CallOptions, send: (accessToken: string) => Promise<T>): Promise<T> {
    const startedAt = this.#options.clock.monotonic()
    await abortable(this.#options.budget.restore(), options.signal)
    let renewed = false
    for (;;) {
      const accessToken = await abortable(this.#accessTokens.get(), options.signal)
      const permit = await this.budget.draw(tier, options)
      if (this.#accessTokens.current() !== accessToken) {
        // It ended while this call waited for its turn.
        permit.cancel()
        continue
      }
      const context = () => this.#callContext(renewed, startedAt)
      const { answer, again } = await this.#spend(tier, permit, context, () => send(accessToken))
      if (!again) return answer
      if (again === 'renew-access-token') {
        renewed = true
        this.#accessTokens.invalidate(accessToken)
      }
    }
  }

  /** The token endpoint is of Tier 2, too. A 429 there blocks the tier; whoever asked tries again. */
  async #requestAccessToken(): Promise<AccessToken> {
    const { signal } = this.#lifetime
    const startedAt = this.#options.clock.monotonic()
    for (;;) {
      const permit = await this.budget.draw(2, { urgency: ACCESS_TOKEN_URGENCY, signal })
      const context = () => this.#callContext(true, startedAt)
      const request = () => this.#client.requestAccessToken(signal)
      const { answer, again } = await this.#spend(2, permit, context, request)
      if (!again) return answer
    }
  }

  /** Makes one call with a permit, and tells whether it is to be made again. Rejects where the retry policy gives up. */
  async #spend<T>(
    tier: Tier,
    permit: Permit,
    context: () => CallContext,
    send: () => Promise<T>,
  ): Promise<Spent<T>> {
    let close = permit.end
    try {
      return { answer: await send(), again: null }
    } catch (error) {
      if (error instanceof QlikFailure && error.isUnsent) close = permit.cancel
      const decision = judgeCall(error, context())
      if (decision.action === 'give-up') throw error
      if (decision.action === 'wait') await this.budget.block(tier, decision.ms)
      return { answer: null, again: decision.action }
    } finally {
      // Last of all: a block must be in force before the next call is let through.
      close()
    }
  }

  #callContext(renewed: boolean, startedAt: number): CallContext {
    const waitedMs = this.#options.clock.monotonic() - startedAt
    return { renewed, waitedMs, windowMs: this.budget.windowMs }
  }

  async #checkFromTimeToTime(): Promise<void> {
    try {
      await this.#powerMonitor.get()
      this.#failure = null
    } catch (error) {
      if (this.#lifetime.signal.aborted) return
      this.#failure = toFailure(error)
      this.#options.onBackgroundFailure(error)
    }
    if (!this.#isResting) {
      this.#cancelTimer = this.#options.clock.after(CHECK_AGAIN_MS, () => this.#checkFromTimeToTime())
    }
  }
}
