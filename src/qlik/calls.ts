import { AccessTokenCache } from '../base/access-token.ts'
import type { Clock } from '../base/clock.ts'
import { type CallOptions, QlikFailure } from '../revocation/qlik-tenant.ts'
import { type CallContext, judgeCall } from '../revocation/retry-policy.ts'
import { abortable } from './abortable.ts'
import type { Tier } from './budget/permit-log.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import type { Permit } from './budget/tier-gate.ts'
import type { Grant } from './client.ts'
import type { CredentialChoice } from './credential-choice.ts'
import type { ClientCredential } from './tenant-config.ts'

/** The access token has the highest priority, because all other calls wait for it. */
const ACCESS_TOKEN_URGENCY = -1

/** The response to a call, or what to do before repeating it. */
type Spent<T> = { response: T; again: null } | { response: null; again: 'renew-access-token' | 'wait' }

export interface CallsOptions {
  budget: RateBudget
  credentials: CredentialChoice
  /** Makes one request to the token endpoint. */
  requestAccessToken: (credential: ClientCredential, signal: AbortSignal) => Promise<Grant>
  clock: Clock
  /** Aborts requests for access tokens, which all calls share. */
  lifetime: AbortSignal
  /** Called when an access token could not be renewed ahead of time. */
  onRenewalFailure: (error: unknown) => void
}

/**
 * Makes calls to one tenant, each with a permit from the budget and a valid access token. Repeats a call only if the
 * retry policy says so.
 */
export class Calls {
  readonly #options: CallsOptions
  readonly #accessTokens: AccessTokenCache<Grant>
  #grantedScope: string | null = null

  constructor(options: CallsOptions) {
    this.#options = options
    this.#accessTokens = new AccessTokenCache(
      () => options.credentials.use((credential) => this.#requestAccessToken(credential)),
      options,
    )
  }

  /** The scope of the latest access token; null before the first. */
  get grantedScope(): string | null {
    return this.#grantedScope
  }

  /**
   * The next call requests a new access token, because the current grant may differ from what the client gets today.
   */
  renewGrant(): void {
    const grant = this.#accessTokens.current()
    if (grant) this.#accessTokens.invalidate(grant.value)
  }

  /**
   * Makes a call. Repeats it after a 401 with a new access token, and after a 429 once the tier is free again. The
   * first call waits for the budget to be restored.
   */
  async make<T>(
    tier: Tier,
    options: CallOptions,
    send: (accessToken: string, scope: string) => Promise<T>,
  ): Promise<T> {
    const { budget, clock } = this.#options
    const startedAt = clock.monotonic()
    await abortable(budget.restore(), options.signal)
    let renewed = false
    for (;;) {
      const grant = await abortable(this.#accessTokens.get(), options.signal)
      const permit = await budget.draw(tier, options)
      // While this call waited for its permit, the caller may have given up, or the access token may have expired.
      if (options.signal.aborted || this.#accessTokens.current() !== grant) {
        permit.cancel()
        options.signal.throwIfAborted()
        continue
      }
      const context = () => this.#context(renewed, startedAt)
      const { response, again } = await this.#spend(tier, permit, context, () =>
        send(grant.value, grant.scope),
      )
      if (!again) return response
      if (again === 'renew-access-token') {
        renewed = true
        this.#accessTokens.invalidate(grant.value)
      }
    }
  }

  /** The token endpoint also counts against Tier 2. A 429 blocks the tier; the caller tries again. */
  async #requestAccessToken(credential: ClientCredential): Promise<Grant> {
    const { budget, clock, lifetime, requestAccessToken } = this.#options
    const startedAt = clock.monotonic()
    let renewed = false
    for (;;) {
      const permit = await budget.draw(2, { urgency: ACCESS_TOKEN_URGENCY, signal: lifetime })
      const context = () => this.#context(renewed, startedAt)
      // A key's assertion is made after the permit is drawn, which can take five minutes: it is valid for three.
      const send = () => requestAccessToken(credential, lifetime)
      const { response, again } = await this.#spend(2, permit, context, send)
      if (!again) {
        this.#grantedScope = response.scope
        return response
      }
      renewed ||= again === 'renew-access-token'
    }
  }

  /** Makes one call with a permit, and returns whether to repeat it. Rejects if the retry policy gives up. */
  async #spend<T>(
    tier: Tier,
    permit: Permit,
    context: () => CallContext,
    send: () => Promise<T>,
  ): Promise<Spent<T>> {
    let close = () => permit.end(true)
    try {
      return { response: await send(), again: null }
    } catch (error) {
      close = () => closeAfter(error, permit)
      const decision = judgeCall(error, context())
      if (decision.action === 'give-up') throw error
      if (decision.action === 'wait') await this.#options.budget.block(tier, decision)
      return { response: null, again: decision.action }
    } finally {
      // Last, because a block must be in force before the next call may start.
      close()
    }
  }

  #context(renewed: boolean, startedAt: number): CallContext {
    const { budget, clock } = this.#options
    return { renewed, waitedMs: clock.monotonic() - startedAt, windowMs: budget.windowMs }
  }
}

/** Closes the permit of a failed call. Any other error means that the caller aborted the call. */
function closeAfter(error: unknown, permit: Permit): void {
  if (!(error instanceof QlikFailure)) permit.abandon()
  else if (error.isUnsent) permit.cancel()
  // A 503 does not show that the rate limiter accepted the call: a gateway may have responded.
  else permit.end(error.kind !== 'rate-limited' && error.kind !== 'unavailable')
}
