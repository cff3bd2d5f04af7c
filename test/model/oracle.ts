import { isSettled, isVerified, type Revocation } from '../../src/revocation/revocation.ts'
import type { Signal, UserReference } from '../../src/revocation/signal.ts'
import { LEEWAY_MS, tenantTimeOf } from '../../src/revocation/signal-time.ts'
import { signalTimeOf } from '../../src/revocation/transitions.ts'
import { isSameName } from '../../src/revocation/user-names.ts'
import type { Curfew } from './curfew.ts'
import { TIMEOUT_MS } from './network.ts'
import { BOT, type ModelTenant, type Token, type User } from './tenant.ts'
import type { Timeline } from './timeline.ts'
import { Violation } from './violation.ts'

/** A signal that was sent to a process, and what the model knows of it. Times are true ones, in ms. */
export interface Sent {
  signal: Signal
  /** When the session had ended in truth. */
  endedAt: number
  /** The same on the tenant's clock, as it was then. */
  tenantTime: number
  /** How often the tenant's clock had been set by then. */
  epoch: number
  process: Curfew
  /** How often the clocks of that process had been set by then, or had stood still. */
  clockChanges: number
  /** How many ms lie between the earliest and the latest instant, as far as that process could know; null where it could not. */
  unsureMs: number | null
  /** Whether that process knew the clock of the store. */
  isLinked: boolean
  /** Of the revocation that it was acknowledged with; null before. */
  id: string | null
  /** Of all revocations that are about it: that one, what it has joined, and what has superseded it. */
  revocations: Set<string>
  /** Since when all of them are settled; null while one is not. */
  settledAt: number | null
}

export interface OracleOptions {
  tenant: ModelTenant
  timeline: Timeline
  /** Whether what a process knew of clocks when it accepted a signal ends with it. */
  isClockLocal: boolean
  /** How often the tenant's clock had been set when the process started. */
  bornEpochOf: (process: Curfew) => number
  clockChangesOf: (process: Curfew) => number
}

/** How old the knowledge may be that the client has its role, for an empty list to count; see docs/decisions/README.md. */
const ROLE_KNOWN_FOR_MS = 10_000

/** Knows what was sent and what is true, and says whether what Curfew does and reports agrees with that. */
export class Oracle {
  readonly sents: Sent[] = []
  readonly #options: OracleOptions
  /** The revocations that were reported as verified, by id. */
  readonly #verified = new Set<string>()

  constructor(options: OracleOptions) {
    this.#options = options
  }

  /** These were no signals of their own: an earlier delivery was repeated. */
  forget(sents: readonly Sent[]): void {
    for (const sent of sents) this.sents.splice(this.sents.indexOf(sent), 1)
  }

  /** A token was ended by a delete of Curfew's: some signal must be about it. */
  checkDelete(token: Token): void {
    if (this.sents.some((sent) => this.covers(sent, token))) return
    const { id, userId, deviceType, grantedAt, idTime } = token
    const { now } = this.#options.timeline
    throw new Violation('somebody was logged out by accident', {
      ...{ id, userId, deviceType },
      grantedSecondsAgo: (now - grantedAt) / 1000,
      idTime,
      signals: this.sents.filter((sent) => this.usersOf(sent.signal.user).some((user) => user.id === userId))
        .length,
    })
  }

  /** What is stored under each acknowledged id, after something has changed. */
  check(revocations: ReadonlyMap<string, Revocation | null>): void {
    for (const [id, revocation] of revocations)
      if (revocation === null) throw new Violation('an acknowledged signal is lost', { id })
    const all = new Map([...revocations.values()].flatMap((one) => (one ? [[one.id, one]] : [])))
    for (const sent of this.sents) this.#follow(sent, revocations)
    for (const sent of this.sents) this.#noteSettled(sent, all)
    for (const revocation of all.values()) {
      this.#checkCounts(revocation)
      const sents = this.sentsOf(revocation)
      this.#checkTime(revocation, sents)
      if (isVerified(revocation)) this.#checkVerified(revocation, sents)
      else if (this.#verified.has(revocation.id))
        throw new Violation('a verified revocation is not verified any more', summaryOf(revocation))
    }
  }

  /** The signals that a revocation stands for. */
  sentsOf(revocation: Revocation): Sent[] {
    return this.sents.filter(({ revocations }) => revocations.has(revocation.id))
  }

  /** Other revocations may have become responsible for a signal. */
  #follow({ id, revocations }: Sent, stored: ReadonlyMap<string, Revocation | null>): void {
    if (id !== null) revocations.add(id)
    for (const one of revocations) {
      const { id: leader = one, supersededBy } = stored.get(one) ?? {}
      revocations.add(leader)
      if (supersededBy) revocations.add(supersededBy)
    }
  }

  /** Whom a name means, in truth: nobody where it is not certain. */
  usersOf({ kind, value }: UserReference): User[] {
    const { tenant } = this.#options
    if (kind === 'userId') {
      const user = tenant.userWith(value)
      return user ? [user] : []
    }
    const found = tenant.find(kind, [value])
    const isCertain =
      found.length > 1
        ? found.every((user) => user[kind] === value)
        : found.every((user) => isSameName(user[kind] ?? '', value))
    return isCertain && !found.includes(BOT) ? found : []
  }

  /** Whether a signal ends a token, so that it may be deleted now. */
  covers(sent: Sent, token: Token): boolean {
    const { signal, settledAt } = sent
    if (!this.usersOf(signal.user).some(({ id }) => id === token.userId)) return false
    if (signal.deviceType !== null && signal.deviceType !== token.deviceType) return false
    // What is granted after it was settled is no affair of its.
    if (settledAt !== null && token.grantedAt > settledAt) return false
    if (this.#isExempt(sent) || token.epoch !== sent.epoch) return true
    const isOwn = token.userId === BOT.id
    if (!isOwn && (signal.scope === 'all' || token.idTime === null)) return true
    if (token.idTime === null) return false
    return token.idTime <= this.#latestInScope(sent, isOwn)
  }

  /** The tenant's time until which a token may have been granted that goes. */
  #latestInScope(sent: Sent, isOwn: boolean): number {
    const { timeline, tenant } = this.#options
    const lost = this.#isLinkLost(sent) ? sent.signal.occurredAt : Number.NEGATIVE_INFINITY
    const certain = Math.max(sent.tenantTime, lost) + (isOwn ? 0 : LEEWAY_MS)
    const mayBeWide = sent.unsureMs === null || sent.unsureMs > LEEWAY_MS
    const isSecurity = this.sents.some(
      ({ revocations, signal }) =>
        signal.reason === 'security' && [...revocations].some((id) => sent.revocations.has(id)),
    )
    // What is undecided goes for the sake of security.
    return isSecurity && mayBeWide && !isOwn ? tenant.toTenantTime(timeline.now) : certain
  }

  /** Whether nothing links the clock of the process that accepted it with any other; see docs/clocks.md. */
  #isLinkLost({ process, clockChanges, unsureMs, isLinked }: Sent): boolean {
    const { isClockLocal, clockChangesOf } = this.#options
    if (unsureMs !== null && unsureMs <= LEEWAY_MS) return false
    if (!isClockLocal) return !isLinked
    return process.clock.isDead || clockChangesOf(process) !== clockChanges
  }

  /** Whether the tenant's clock was set meanwhile: then times before and after cannot be compared. */
  #isExempt({ epoch, process }: Sent): boolean {
    const { tenant, bornEpochOf } = this.#options
    return tenant.epoch !== epoch || bornEpochOf(process) !== epoch
  }

  #noteSettled(sent: Sent, all: ReadonlyMap<string, Revocation>): void {
    const known = [...sent.revocations].flatMap((id) => all.get(id) ?? [])
    if (known.length === 0 || !known.every(isSettled)) sent.settledAt = null
    else sent.settledAt ??= this.#options.timeline.now
  }

  #checkCounts(revocation: Revocation): void {
    const { tokens, status, undecided } = revocation
    const all = [...Object.values(tokens), undecided]
    if (all.some((count) => count < 0)) throw new Violation('a count is negative', summaryOf(revocation))
    if (status === 'completed' && tokens.remaining !== 0)
      throw new Violation('completed, and tokens remain', summaryOf(revocation))
    if (undecided > tokens.kept && status === 'completed')
      throw new Violation('more tokens are undecided than kept', summaryOf(revocation))
  }

  /** The interval that is stored contains the truth. */
  #checkTime(revocation: Revocation, sents: readonly Sent[]): void {
    if (sents.length === 0 || sents.some((sent) => this.#isExempt(sent))) return
    const { earliest, latest } = tenantTimeOf(signalTimeOf(revocation))
    const truth = Math.max(...sents.map(({ tenantTime }) => tenantTime))
    const details = { ...summaryOf(revocation), earliest, latest, truth }
    if (latest < truth - 1) throw new Violation('the latest instant is before the truth', details)
    const mayBeLater = this.sents.some(
      (sent) => sent.id === null && this.#isSameUser(sent.signal, revocation),
    )
    if (mayBeLater || sents.some((sent) => this.#isLinkLost(sent))) return
    if (earliest > truth + 1) throw new Violation('the earliest instant is after the truth', details)
  }

  #isSameUser(one: Signal, { user, deviceType }: Revocation): boolean {
    return one.user.kind === user.kind && one.user.value === user.value && one.deviceType === deviceType
  }

  #checkVerified(revocation: Revocation, sents: readonly Sent[]): void {
    if (this.#verified.has(revocation.id)) return
    this.#verified.add(revocation.id)
    for (const sent of sents) {
      const users = this.usersOf(sent.signal.user)
      if (users.length === 0) throw new Violation('verified for nobody', summaryOf(revocation))
      if (this.#isExempt(sent) || this.#wasRoleChanged(revocation)) continue
      for (const { id } of users) {
        const alive = this.#options.tenant
          .aliveOf(id)
          .filter((token) => this.#mustBeGone(token, sent, revocation))
        if (alive.length > 0)
          throw new Violation('verified, and tokens are alive', {
            ...summaryOf(revocation),
            signal: { ...sent.signal, endedAt: sent.endedAt, tenantTime: sent.tenantTime },
            alive: alive.map(({ id, idTime, grantedAt, listedFrom }) => ({
              ...{ id, idTime },
              grantedAfterMs: grantedAt - sent.endedAt,
              listedAfterMs: listedFrom - sent.endedAt,
            })),
          })
      }
    }
  }

  #mustBeGone(token: Token, sent: Sent, revocation: Revocation): boolean {
    const { signal, endedAt, tenantTime } = sent
    if (signal.deviceType !== null && signal.deviceType !== token.deviceType) return false
    if (token.epoch !== sent.epoch) return false
    const mustBeListed = token.listedFrom <= endedAt + LEEWAY_MS
    if (!mustBeListed) return false
    if (token.grantedAt <= endedAt) return true
    // Granted in the same second, or shortly after it.
    if (token.idTime === null || signal.scope === 'all' || token.userId === BOT.id) return false
    const { earliest } = tenantTimeOf(signalTimeOf(revocation))
    return token.idTime <= Math.max(tenantTime, earliest + LEEWAY_MS)
  }

  /** Whether the client's role was withdrawn or restored so shortly before the listing that it may not have been noticed. */
  #wasRoleChanged({ proof }: Revocation): boolean {
    const { tenant, timeline } = this.#options
    if (proof === null) return false
    const age = ROLE_KNOWN_FOR_MS + 2 * TIMEOUT_MS
    return tenant.roleChangedAt > timeline.now - age
  }
}

export function summaryOf(revocation: Revocation): object {
  const { id, user, status, outcome, tokens, undecided, proof, error, attempts, deviceType } = revocation
  return {
    ...{ id, user: user.value, deviceType, reason: revocation.reason, scope: revocation.scope },
    ...{ status, outcome, verified: isVerified(revocation), tokens, undecided, attempts },
    error: error?.code,
    proof: proof && { pages: proof.pages, listings: proof.listings, role: proof.role },
  }
}
