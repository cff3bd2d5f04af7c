import type { Clock } from '../base/clock.ts'
import { momentOf } from '../base/moment.ts'
import { type CallOptions, QlikFailure } from '../revocation/qlik-tenant.ts'
import { type CallContext, judgeCall } from '../revocation/retry-policy.ts'
import { abortable } from './abortable.ts'
import type { Tier } from './budget/permit-log.ts'
import type { Permit } from './budget/tier-gate.ts'
import type { Grant } from './client.ts'
import type { ClientPool } from './client-pool.ts'
import { isClientRefused, mayConcernClient, type PoolClient } from './pool-client.ts'
import type { Asked } from './power.ts'
import type { ClientCredential } from './tenant-config.ts'

/** The access token has the highest priority, because all other calls wait for it. */
const ACCESS_TOKEN_URGENCY = -1

/** The client that makes a call, and its access token. */
export interface Caller {
  client: PoolClient
  grant: Grant
}

/** The response to a call, or what to do before repeating it. */
type Spent<T> = { response: T; again: null } | { response: null; again: 'renew-access-token' | 'wait' }

export interface CallsOptions {
  pool: ClientPool
  clock: Clock
  /** Aborts requests for access tokens, which all calls share. */
  lifetime: AbortSignal
}

/**
 * Makes calls to one tenant, each by a client of the pool, with a permit from its budget and a valid access token.
 * Repeats a call only if the retry policy says so, or with another client if Qlik refuses one.
 */
export class Calls {
  readonly #options: CallsOptions

  constructor(options: CallsOptions) {
    this.#options = options
  }

  /**
   * Makes a call. Repeats it after a 401 with a new access token, after a 429 once the tier is free again, and with
   * another client if Qlik refuses this one. The first call of a client waits for its budget to be restored. Rejects with
   * the first refusal if every client that may make the call is refused.
   */
  async make<T>(tier: Tier, options: CallOptions, send: (caller: Caller) => Promise<T>): Promise<T> {
    const { pool, clock } = this.#options
    const startedAt = clock.monotonic()
    const refusals = new Map<PoolClient, QlikFailure>()
    const renewed = new Set<PoolClient>()
    const tried = new Set<PoolClient>()
    for (;;) {
      const clients = pool.eligible(tier, options, tried)
      if (clients.length === 0) throw [...refusals.values()][0] ?? removed()
      await this.#untilReady(clients, options.signal, refusals)
      for (const client of refusals.keys()) tried.add(client)
      const drawn = await pool.draw(tier, options, tried)
      if (!drawn) continue
      const { client, permit } = drawn
      await client.budget.noted(tier)
      // While this call waited for its permit, the caller may have given up, or the access token may have expired.
      const grant = client.currentGrant()
      if (options.signal.aborted || grant === null) {
        permit.cancel()
        options.signal.throwIfAborted()
        continue
      }
      try {
        const context = () => this.#context(client, renewed.has(client), startedAt)
        const spent = await this.#spend(tier, { client, permit }, context, () => send({ client, grant }))
        if (spent.again === null) {
          // Qlik accepts the call of another client, so it refused those clients, not the call.
          for (const [refused, failure] of refusals) pool.refuse(refused, failure)
          return spent.response
        }
        if (spent.again === 'renew-access-token') {
          renewed.add(client)
          client.invalidate(grant)
        }
      } catch (error) {
        if (!mayConcernClient(error)) throw error
        refusals.set(client, error)
        tried.add(client)
        if (isClientRefused(error)) pool.refuse(client, error)
      }
    }
  }

  /** A read, with its client, the scope of the access token, and the time it was sent. */
  ask<T extends object>(
    call: CallOptions,
    send: (caller: Caller) => Promise<T>,
  ): Promise<T & Asked & Pick<Caller, 'client'>> {
    return this.make(1, call, async (caller) => {
      const askedAt = momentOf(this.#options.clock)
      return { ...(await send(caller)), scope: caller.grant.scope, askedAt, client: caller.client }
    })
  }

  /** Requests an access token. The token endpoint also counts against Tier 2. A 429 blocks the tier; then tries again. */
  async requestAccessToken(
    client: PoolClient,
    credential: ClientCredential,
    request: (credential: ClientCredential, signal: AbortSignal) => Promise<Grant>,
  ): Promise<Grant> {
    const { clock, lifetime } = this.#options
    const startedAt = clock.monotonic()
    let renewed = false
    for (;;) {
      const permit = await client.budget.draw(2, { urgency: ACCESS_TOKEN_URGENCY, signal: lifetime })
      const context = () => this.#context(client, renewed, startedAt)
      // A key's assertion is made after the permit is drawn, which can take five minutes: it is valid for three.
      const send = () => request(credential, lifetime)
      const { response, again } = await this.#spend(2, { client, permit }, context, send)
      if (!again) return response
      renewed ||= again === 'renew-access-token'
    }
  }

  /**
   * Resolves when one of these clients has an access token; the others continue to request theirs. Adds refused clients
   * to `refusals`. Rejects with any other failure if no client has one.
   */
  async #untilReady(
    clients: readonly PoolClient[],
    signal: AbortSignal,
    refusals: Map<PoolClient, QlikFailure>,
  ): Promise<void> {
    const { pool } = this.#options
    const ready = clients.map(async (client) => {
      const isNew = client.currentGrant() === null
      try {
        await client.grant()
      } catch (error) {
        if (isClientRefused(error)) pool.refuse(client, error)
        throw error
      }
      if (isNew) pool.refresh()
    })
    try {
      await abortable(Promise.any(ready), signal)
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error
      for (const [index, client] of clients.entries()) {
        const failure: unknown = error.errors[index]
        if (!isClientRefused(failure)) throw failure
        refusals.set(client, failure)
      }
    }
  }

  /** Makes one call with a permit, and returns whether to repeat it. Rejects if the retry policy gives up. */
  async #spend<T>(
    tier: Tier,
    { client, permit }: { client: PoolClient; permit: Permit },
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
      if (decision.action === 'wait') await client.budget.block(tier, decision)
      return { response: null, again: decision.action }
    } finally {
      // Last, because a block must be in force before the next call may start.
      close()
    }
  }

  #context({ budget }: PoolClient, renewed: boolean, startedAt: number): CallContext {
    return { renewed, waitedMs: this.#options.clock.monotonic() - startedAt, windowMs: budget.windowMs }
  }
}

/** The failure of a call that only a removed client could make. */
function removed(): QlikFailure {
  return new QlikFailure('unavailable', 'The OAuth client that began the listing is no longer configured.')
}

/** Closes the permit of a failed call. Any other error means that the caller aborted the call. */
function closeAfter(error: unknown, permit: Permit): void {
  if (!(error instanceof QlikFailure)) permit.abandon()
  else if (error.isUnsent) permit.cancel()
  // A 503 does not show that the rate limiter accepted the call: a gateway may have responded.
  else permit.end(error.kind !== 'rate-limited' && error.kind !== 'unavailable')
}
