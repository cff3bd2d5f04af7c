import { setImmediate as nextTurn } from 'node:timers/promises'
import { CurfewError } from '../../src/base/errors.ts'
import { widthOf } from '../../src/base/interval.ts'
import type { SignalDetails } from '../../src/http/signal-body.ts'
import type { Signal } from '../../src/revocation/signal.ts'
import { type Command, describeCommand, type SignalCommand } from './commands.ts'
import type { Curfew, SentSignal } from './curfew.ts'
import type { Sent } from './oracle.ts'
import { PEOPLE } from './tenant.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** A request with signals, which its sender may repeat under the same id. */
interface Delivery {
  sent: readonly SentSignal[]
  /** When the session ended, in true time. */
  endedAt: number
  webhookId: string | null
  /** The signals of attempts without a response. */
  unanswered: Sent[]
  isAcknowledged: boolean
}

/** Executes commands in a world. */
export class Actions {
  readonly #world: World
  readonly #deliveries: Delivery[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Executes a command; its consequences follow as time passes. */
  async perform(command: Command): Promise<void> {
    const { fleet, tenant, network, timeline } = this.#world
    this.#world.note(describeCommand(command))
    this.#world.touch()
    switch (command.kind) {
      case 'wait':
        return this.#world.pass(command.ms)
      case 'signal':
        return this.#signal(command)
      case 'signals':
        return this.#signals(command)
      case 'repeat':
        return this.#repeat(command)
      case 'grant':
        return this.#grant(command)
      case 'fault':
        return network.faults.order({ route: command.route, kind: command.fault, count: command.count })
      case 'role':
        tenant.areRolesReported = command.areReported
        return tenant.setAdmin(command.isAdmin)
      case 'scope':
        tenant.grantedScope = command.granted
        if (command.expire) tenant.expireAccessTokens()
        return
      case 'retry':
        return this.#retry(command)
      case 'dry-run':
        return this.#dryRun(command)
      case 'reload':
        return this.#reload(command)
      case 'crash':
        await timeline.step()
        for (let turn = 0; turn < command.turns; turn += 1) await nextTurn()
        return fleet.crash(command.process, command.downMs)
      case 'restart':
        return fleet.restart(command.process, command.downMs)
      case 'step':
        return fleet.setClock(command.process, command.ms)
      case 'pause':
        return fleet.pause(command.process, command.ms, command.sleeps)
      case 'tenant-step':
        return tenant.stepClock(command.ms)
      case 'others':
        for (let call = 0; call < command.calls; call += 1)
          network.limiter.take(command.tier, timeline.now, true)
        return
      case 'expire':
        return tenant.expireAccessTokens()
      case 'end-token':
        return this.#endToken(command)
    }
  }

  #signal({ process, webhookId, ...command }: Extract<Command, { kind: 'signal' }>): void {
    const curfew = this.#world.fleet.at(process)
    if (!curfew) return
    const { timeline } = this.#world
    const endedAt = timeline.now - (command.senderClock === 'none' ? 0 : command.agoMs)
    const sent = [
      { user: command.user, details: this.#detailsOf(curfew, command), defaultReason: command.reason },
    ]
    const id = webhookId === null ? null : `delivery-${webhookId}-${JSON.stringify(sent)}`
    const known = this.#deliveries.find((delivery) => id !== null && delivery.webhookId === id)
    this.#deliver(curfew, known ?? this.#newDelivery({ sent, endedAt, webhookId: id }))
  }

  #detailsOf(curfew: Curfew, { senderClock, agoMs, scope, deviceType }: SignalCommand): SignalDetails {
    const clock = { none: null, ours: curfew.clock.now(), tenants: this.#world.tenant.now() }[senderClock]
    return {
      ...(scope === null ? {} : { scope }),
      ...(deviceType === null ? {} : { deviceType }),
      ...(clock === null ? {} : { occurredAt: new Date(clock - agoMs).toISOString() }),
    }
  }

  #signals({ process, users, reason }: Extract<Command, { kind: 'signals' }>): void {
    const curfew = this.#world.fleet.at(process)
    if (!curfew) return
    const sent = users.map((user) => ({ user, details: {}, defaultReason: reason }))
    this.#deliver(curfew, this.#newDelivery({ sent, endedAt: this.#world.timeline.now, webhookId: null }))
  }

  #repeat({ process, which }: Extract<Command, { kind: 'repeat' }>): void {
    const repeatable = this.#deliveries.filter(({ webhookId }) => webhookId !== null)
    const delivery = repeatable[which % repeatable.length]
    const curfew = this.#world.fleet.at(process)
    if (curfew && delivery) this.#deliver(curfew, delivery)
  }

  #newDelivery(delivery: Pick<Delivery, 'sent' | 'endedAt' | 'webhookId'>): Delivery {
    const known = { ...delivery, unanswered: [], isAcknowledged: false }
    this.#deliveries.push(known)
    return known
  }

  #deliver(curfew: Curfew, delivery: Delivery): void {
    const signals = this.#signalsOf(curfew, delivery)
    if (!signals) return
    const { oracle } = this.#world
    const sents = delivery.isAcknowledged
      ? []
      : signals.map((signal) => this.#toSent(curfew, signal, delivery))
    oracle.sents.push(...sents)
    const accepted = curfew.accept(signals, delivery.webhookId)
    accepted.then(
      ({ revocations, replayed }) => {
        // The actions of an ended process reach nobody.
        if (curfew.clock.isDead) return
        const ids = revocations.map(({ id }) => id)
        if (delivery.isAcknowledged && !replayed)
          this.#world.report(new Violation('a repeated delivery counts as a new signal', { ids }))
        // An earlier attempt reached the disk without a response.
        const answered = replayed ? delivery.unanswered : sents
        if (replayed) oracle.forget(sents)
        delivery.isAcknowledged = true
        for (const [index, sent] of answered.entries()) sent.id = ids[index % ids.length] ?? null
        for (const id of ids) this.#world.acknowledged.add(id)
        this.#world.touch()
      },
      (error) => {
        const isDown = error instanceof CurfewError && error.code === 'CURFEW_STORE_UNAVAILABLE'
        if (!isDown && !curfew.clock.isDead)
          this.#world.report(new Violation('a signal was not accepted', { error: String(error) }))
      },
    )
    delivery.unanswered.push(...sents)
  }

  /** Null if its route rejects it because its time is too far in the future. */
  #signalsOf(curfew: Curfew, { sent }: Delivery): Signal[] | null {
    try {
      return curfew.toSignals(sent)
    } catch (error) {
      if (error instanceof CurfewError && error.code === 'CURFEW_REQUEST_INVALID') return null
      throw error
    }
  }

  #toSent(curfew: Curfew, signal: Signal, delivery: Pick<Delivery, 'endedAt'>): Sent {
    const { tenant, fleet, timeline } = this.#world
    const offset = curfew.clockOffset()
    const hasTime = signal.occurredAt !== signal.acceptedAt
    // Without a time from the sender, a delivery refers to the moment it arrives, even if an earlier one was lost.
    const endedAt = hasTime ? delivery.endedAt : timeline.now
    // The sender's clock may agree with ours or with the tenant's.
    const betweenReadings = hasTime ? Math.abs(curfew.clock.now() - tenant.now()) : 0
    return {
      signal,
      endedAt,
      tenantTime: tenant.toTenantTime(endedAt),
      epoch: tenant.epoch,
      process: curfew,
      clockChanges: fleet.clockChangesOf(curfew),
      isLinked: curfew.store.clock() !== null,
      unsureMs: offset && widthOf(offset) + betweenReadings,
      id: null,
      revocations: new Set(),
      settledAt: null,
    }
  }

  #grant({ user, count, ...options }: Extract<Command, { kind: 'grant' }>): void {
    const { tenant, setup } = this.#world
    const userId = PEOPLE[user]?.id ?? ''
    for (let index = 0; index < count; index += 1) {
      const { id } = tenant.grant(userId, { ...options, lagMs: this.#world.lagOf(setup.issueLagsMs) })
      this.#world.note(`${id} is granted to ${userId}`)
    }
  }

  async #retry({ process, which }: Extract<Command, { kind: 'retry' }>): Promise<void> {
    const ids = [...this.#world.acknowledged]
    const id = ids[which % ids.length]
    const curfew = this.#world.fleet.at(process)
    if (curfew && id !== undefined) await retry(this.#world, curfew, id)
  }

  #dryRun({ process, user, reason }: Extract<Command, { kind: 'dry-run' }>): void {
    const curfew = this.#world.fleet.at(process)
    if (!curfew) return
    const { timeline, oracle } = this.#world
    const signals = curfew.toSignals([{ user, details: {}, defaultReason: reason }])
    const sents = signals.map((signal) => this.#toSent(curfew, signal, { endedAt: timeline.now }))
    const compare = (views: Awaited<ReturnType<Curfew['dryRun']>>) => {
      for (const [index, view] of views.entries()) {
        const sent = sents[index]
        if (view instanceof CurfewError || !sent) continue
        for (const { id } of view.tokens) {
          const token = this.#world.tenant.tokenWith(id)
          if (token && !oracle.covers(sent, token))
            this.#world.report(new Violation('a dry run names a token that is not in scope', { id, user }))
        }
      }
    }
    curfew.dryRun(signals).then(compare, (error) => {
      // The store of a run that is over.
      if (!(error instanceof CurfewError)) this.#world.report(new Violation('a dry run failed', { error }))
    })
  }

  #reload({ process, tier1, tier2, concurrency }: Extract<Command, { kind: 'reload' }>): void {
    const { limits } = this.#world.setup.tenant
    const share = (limit: number, part: number) => Math.max(2, Math.floor(limit * part))
    this.#world.fleet.at(process)?.reload({
      tier1Limit: share(limits[1], tier1),
      tier2Limit: share(limits[2], tier2),
      concurrency,
    })
  }

  #endToken({ which }: Extract<Command, { kind: 'end-token' }>): void {
    const { tenant, setup } = this.#world
    const alive = PEOPLE.flatMap(({ id }) => tenant.aliveOf(id))
    const token = alive[which % alive.length]
    if (token) tenant.end(token, this.#world.lagOf(setup.deleteLagsMs))
  }
}

/** Retries a revocation; a verified one must be refused. */
export async function retry(world: World, curfew: Curfew, id: string): Promise<void> {
  try {
    await curfew.retry(id)
  } catch (error) {
    if (!(error instanceof CurfewError) || error.code !== 'CURFEW_NOT_RETRYABLE')
      world.report(new Violation('a retry failed', { id, error: String(error) }))
  }
  world.touch()
}
