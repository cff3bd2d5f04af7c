import { AccessTokenCache } from '../base/access-token.ts'
import type { Clock } from '../base/clock.ts'
import { type Power, QlikFailure } from '../revocation/qlik-tenant.ts'
import { toFailure } from '../revocation/retry-policy.ts'
import type { Failure } from '../revocation/revocation.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import type { Grant, QlikClient } from './client.ts'
import { CredentialChoice } from './credential-choice.ts'
import type { Member } from './pool.ts'
import { type OwnPower, PowerMonitor, type PowerMonitorOptions } from './power.ts'
import type { ClientConfig, ClientCredential } from './tenant-config.ts'

export interface PoolClientOptions extends Pick<PowerMonitorOptions, 'ownUser' | 'visibleOwners'> {
  config: ClientConfig
  client: QlikClient
  budget: RateBudget
  clock: Clock
  /** Requests an access token with a permit of the budget. */
  requestAccessToken: (client: PoolClient, credential: ClientCredential) => Promise<Grant>
  /** Longest time between two checks of a scope that is too narrow. */
  longestNarrowMs?: number | undefined
  onPowerChange: (power: OwnPower) => void
  /** Called with a description of the refused credentials when that changes; null if none is refused. */
  onRefusalChange: (refusal: string | null) => void
  onBackgroundFailure: (error: unknown) => void
}

/** The state of a client, for operators. */
export interface ClientState {
  clientId: string
  power: Power | 'not-checked'
  /** The basis of the power, and the granted scope; null before the first check. */
  finding: Pick<OwnPower, 'evidence' | 'scope'> | null
  /** Why the last background check failed, or null. */
  failure: Failure | null
  /** Description of the refused secret or key, or null. */
  refusal: string | null
  /** Why the client is not used, or null. */
  out: Failure | null
}

/** One OAuth client of a tenant: its budget, access token, credentials and power. */
export class PoolClient implements Member {
  readonly config: ClientConfig
  readonly client: QlikClient
  readonly budget: RateBudget
  readonly #accessTokens: AccessTokenCache<Grant>
  readonly #credentials: CredentialChoice
  readonly monitor: PowerMonitor
  #grantedScope: string | null = null
  #failure: Failure | null = null
  #out: { at: number; failure: Failure } | null = null

  constructor(options: PoolClientOptions) {
    const { config, client, budget, clock, requestAccessToken, onPowerChange, onBackgroundFailure } = options
    this.config = config
    this.client = client
    this.budget = budget
    this.#credentials = new CredentialChoice(config.credentials, options)
    this.#accessTokens = new AccessTokenCache(
      () =>
        this.#credentials.use(async (credential) => {
          const grant = await requestAccessToken(this, credential)
          this.#grantedScope = grant.scope
          return grant
        }),
      { clock, onRenewalFailure: onBackgroundFailure },
    )
    this.monitor = new PowerMonitor({
      ...options,
      onChange: onPowerChange,
      grantedScope: () => this.#grantedScope,
      renewGrant: () => this.renewGrant(),
    })
  }

  get clientId(): string {
    return this.config.clientId
  }

  get power(): Power | 'not-checked' {
    return this.monitor.known?.power ?? 'not-checked'
  }

  get refusedAt(): number | null {
    return this.#out?.at ?? null
  }

  /** Records that Qlik refuses the client; null: it accepts the client again. */
  setRefused(out: { at: number; failure: Failure } | null): void {
    this.#out = out
  }

  get state(): ClientState {
    const { clientId, power } = this
    const refusal = this.#credentials.refusal
    const out = this.#out?.failure ?? null
    return { clientId, power, finding: this.monitor.known, failure: this.#failure, refusal, out }
  }

  /** A usable access token, or null: then `grant` requests one. */
  currentGrant(): Grant | null {
    return this.#accessTokens.current()
  }

  /** An access token, once the budget is restored; renewed ahead of time. */
  async grant(): Promise<Grant> {
    await this.budget.restore()
    return this.#accessTokens.get()
  }

  /** Discards an access token that Qlik did not accept. */
  invalidate(grant: Grant): void {
    this.#accessTokens.invalidate(grant.value)
  }

  /**
   * The next call requests a new access token, because the current grant may differ from what the client gets today.
   */
  renewGrant(): void {
    const grant = this.currentGrant()
    if (grant) this.invalidate(grant)
  }

  /** Records the result of a background check. */
  noteCheck(error: unknown): void {
    this.#failure = error === null ? null : toFailure(error)
  }
}

/** Whether a failure concerns the client that made the call, regardless of the call. */
export function isClientRefused(error: unknown): error is QlikFailure {
  return (
    error instanceof QlikFailure &&
    ['unauthorized', 'client-rejected', 'credential-refused'].includes(error.kind)
  )
}

/** Whether another client may succeed: Qlik refuses either the client or the call. */
export function mayConcernClient(error: unknown): error is QlikFailure {
  return isClientRefused(error) || (error instanceof QlikFailure && error.kind === 'forbidden')
}
