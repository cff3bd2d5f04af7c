import { setMaxListeners } from 'node:events'
import type { Clock } from '../base/clock.ts'
import type { Interval } from '../base/interval.ts'
import { momentOf } from '../base/moment.ts'
import type {
  CallOptions,
  ClientPower,
  Gone,
  OwnersPage,
  Power,
  PowerOptions,
  QlikTenant,
  TokenFate,
  TokenPage,
  UserMatch,
} from '../revocation/qlik-tenant.ts'
import { toFailure } from '../revocation/retry-policy.ts'
import type { Failure } from '../revocation/revocation.ts'
import type { UserReference } from '../revocation/signal.ts'
import { abortable } from './abortable.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import { Calls } from './calls.ts'
import type { QlikClient } from './client.ts'
import { CredentialChoice } from './credential-choice.ts'
import type { QlikHttp } from './http.ts'
import { type Asked, PowerMonitor } from './power.ts'
import type { ClientCredentials } from './tenant-config.ts'
import type { TokenMemory } from './token-memory.ts'
import { UserLookups } from './user-lookups.ts'

const CHECK_INTERVAL_MS = 30_000

export interface TenantOptions {
  name: string
  /** Id of the OAuth client. */
  clientId: string
  concurrency: number
  client: QlikClient
  credentials: ClientCredentials
  http: QlikHttp
  budget: RateBudget
  clock: Clock
  memory: TokenMemory
  onPowerChange: (power: ClientPower) => void
  /** Called with a description of the refused credentials when that changes; null if none is refused. */
  onRefusalChange: (refusal: string | null) => void
  onBackgroundFailure: (error: unknown) => void
}

/** A tenant's state, for operators. */
export interface TenantState {
  power: Power | 'not-checked'
  /** The basis of the power, and the granted scope; null before the first check. */
  finding: Pick<ClientPower, 'evidence' | 'scope'> | null
  /** Why the last background check failed, or null. */
  failure: Failure | null
  /** Description of the refused secret or key, or null. */
  refusal: string | null
  clockOffsetMs: number
}

/**
 * One Qlik Cloud tenant. Every call has a permit from the budget and a valid access token, and is repeated only if
 * the retry policy says so.
 */
export class HttpQlikTenant implements QlikTenant {
  readonly name: string
  readonly clientId: string
  readonly concurrency: number
  readonly budget: RateBudget
  readonly #client: QlikClient
  readonly #options: TenantOptions
  readonly #credentials: CredentialChoice
  readonly #calls: Calls
  readonly #powerMonitor: PowerMonitor
  readonly #lookups: UserLookups
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
    this.budget = budget
    this.#usedAt = clock.monotonic()
    // Every delete under way adds a listener.
    setMaxListeners(0, this.#lifetime.signal)
    this.#client = client
    this.#options = options
    this.#credentials = new CredentialChoice(options.credentials, options)
    this.#calls = new Calls({
      budget,
      credentials: this.#credentials,
      requestAccessToken: (credential, signal) => client.requestAccessToken(credential, signal),
      clock,
      lifetime: this.#lifetime.signal,
      onRenewalFailure: onBackgroundFailure,
    })
    const own: CallOptions = { urgency: 0, signal: this.#lifetime.signal }
    this.#lookups = new UserLookups((users, urgency) => {
      const shared = { ...own, urgency }
      return this.#calls.make(1, shared, (token) => client.findUsers(token, users, own.signal))
    }, clock)
    this.#powerMonitor = new PowerMonitor({
      clock,
      onChange: onPowerChange,
      grantedScope: () => this.#calls.grantedScope,
      renewGrant: () => this.#calls.renewGrant(),
      ownUser: async () => {
        const me = await this.#ask(own, (token) => client.me(token, own.signal))
        if (!('path' in me)) return me
        return this.#ask(own, (token) => client.user(token, me.path, own.signal))
      },
      visibleOwners: async () => {
        const first = { userId: null, page: null }
        const { owners, ...asked } = await this.#ask(own, (token) =>
          client.listTokens(token, first, own.signal),
        )
        return { ...asked, owners: new Set(owners) }
      },
    })
  }

  /**
   * Checks the client's power in the background, now and then periodically; resolves when the budget is restored.
   * Calls can be made immediately: they wait for the restore, and retry it if it fails.
   */
  start(): Promise<void> {
    this.#checkPeriodically()
    return this.budget.restore()
  }

  /** Stops the background checks; calls continue. */
  rest(): void {
    this.#isResting = true
    this.#cancelTimer()
  }

  /** Marks the tenant as in use: calls may follow soon. */
  noteUse(): void {
    this.#usedAt = this.#options.clock.monotonic()
  }

  /** How long the tenant has been unused, in ms; 0 while a caller waits. Its own background checks do not count. */
  idleMs(): number {
    return this.#users > 0 ? 0 : this.#options.clock.monotonic() - this.#usedAt
  }

  /** Aborts everything that waits or is under way. */
  async stop(): Promise<void> {
    this.rest()
    this.#lifetime.abort()
    await this.#options.http.close()
  }

  get state(): TenantState {
    const finding = this.#powerMonitor.known
    const power = finding?.power ?? 'not-checked'
    const { refusal } = this.#credentials
    return { power, finding, failure: this.#failure, refusal, clockOffsetMs: this.#options.http.wallOffsetMs }
  }

  clockOffset(): Interval | null {
    return this.#options.http.clockOffset
  }

  power({ signal, maxAgeMs }: PowerOptions): Promise<ClientPower> {
    return this.#inUse(() => abortable(this.#powerMonitor.get(maxAgeMs), signal))
  }

  findUsers(user: UserReference, call: CallOptions): Promise<UserMatch[]> {
    return this.#inUse(() => abortable(this.#lookups.find(user, call.urgency), call.signal))
  }

  userExists(id: string, call: CallOptions): Promise<boolean> {
    return this.#inUse(() =>
      this.#calls.make(1, call, (token) => this.#client.userExists(token, id, call.signal)),
    )
  }

  async listTokens(userId: string, page: string | null, call: CallOptions): Promise<TokenPage> {
    const { tokens, next, owners, scope, askedAt } = await this.#inUse(() =>
      this.#ask(call, (token) => this.#client.listTokens(token, { userId, page }, call.signal)),
    )
    this.#powerMonitor.noteOwners(new Set(owners), { scope, askedAt })
    return { tokens, next, scope }
  }

  async listOwners(page: string | null, call: CallOptions): Promise<OwnersPage> {
    const asked = { userId: null, page, sort: 'userId' } as const
    const { owners, next } = await this.#inUse(() =>
      this.#calls.make(1, call, (token) => this.#client.listTokens(token, asked, call.signal)),
    )
    return { owners, next }
  }

  /**
   * A delete that was sent is not aborted with its callers: it may have taken effect, and only the response shows
   * that. `SharedDelete` lists the order of calls.
   */
  revokeToken(id: string, call: CallOptions): Promise<Gone> {
    return this.#inUse(() =>
      this.#options.memory.revoke(id, call, (shared, shield) =>
        this.#calls.make(2, shared, (token) =>
          shield(() => this.#client.revokeToken(token, id, this.#lifetime.signal)),
        ),
      ),
    )
  }

  fateOf(id: string): TokenFate | null {
    return this.#options.memory.fateOf(id)
  }

  /** A read, with the scope of its access token and the time it was sent. */
  #ask<T extends object>(call: CallOptions, send: (accessToken: string) => Promise<T>): Promise<T & Asked> {
    return this.#calls.make(1, call, async (accessToken, scope) => {
      const askedAt = momentOf(this.#options.clock)
      return { ...(await send(accessToken)), scope, askedAt }
    })
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

  async #checkPeriodically(): Promise<void> {
    try {
      await this.#powerMonitor.get()
      this.#failure = null
    } catch (error) {
      if (this.#lifetime.signal.aborted) return
      this.#failure = toFailure(error)
      this.#options.onBackgroundFailure(error)
    }
    if (!this.#isResting) {
      this.#cancelTimer = this.#options.clock.after(CHECK_INTERVAL_MS, () => this.#checkPeriodically())
    }
  }
}
