import { LEEWAY_MS } from '../../src/revocation/grant-limits.ts'
import { isSettled, isVerified, type Revocation } from '../../src/revocation/revocation.ts'
import type { Signal, UserReference } from '../../src/revocation/signal.ts'
import { signalTimeOf, tenantTimeOf } from '../../src/revocation/signal-time.ts'
import { isSameName } from '../../src/revocation/user-names.ts'
import type { Curfew } from './curfew.ts'
import { TIMEOUT_MS } from './network.ts'
import { BOT, type ModelTenant, type Token, type User } from './tenant.ts'
import type { Timeline } from './timeline.ts'
import { Violation } from './violation.ts'

/** A signal sent to a process, and what the model knows about it. Times are true ones, in ms. */
export interface Sent {
  signal: Signal
  /** When the session actually ended. */
  endedAt: number
  /** The same on the tenant's clock at that time. */
  tenantTime: number
  /** How often the tenant's clock had been set by then. */
  epoch: number
  process: Curfew
  /** How often the clocks of that process had been set or stopped by then. */
  clockChanges: number
  /**
   * Width of the interval between the earliest and the latest instant, in ms, as far as that process could know; null
   * if it could not.
   */
  unsureMs: number | null
  /** Whether that process knew the clock of the store. */
  isLinked: boolean
  /** Id of the revocation it was acknowledged with; null before. */
  id: string | null
  /** Ids of all revocations that cover it: that one, those it joined, and those that superseded it. */
  revocations: Set<string>
  /** When all of them became settled; null while one is not. */
  settledAt: number | null
}

export interface OracleOptions {
  tenant: ModelTenant
  timeline: Timeline
  /** Whether a process's knowledge of clocks ends with it. */
  isClockLocal: boolean
  /** How often the tenant's clock had been set when the process started. */
  bornEpochOf: (process: Curfew) => number
  clockChangesOf: (process: Curfew) => number
}

/** Maximum age of the finding that the client has its role, for an empty list to count; see docs/proof.md. */
const ROLE_KNOWN_FOR_MS = 10_000

/** Knows what was sent and what is true, and checks that Curfew's actions and reports agree with it. */
export class Oracle {
  readonly sents: Sent[] = []
  readonly #options: OracleOptions
  /** Revocations reported as verified, by id. */
  readonly #verified = new Set<string>()

  constructor(options: OracleOptions) {
    this.#options = options
  }

  /** These were not separate signals: an earlier delivery was repeated. */
  forget(sents: readonly Sent[]): void {
    for (const sent of sents) this.sents.splice(this.sents.indexOf(sent), 1)
  }

  /** Curfew deleted a token: some signal must cover it. */
  checkDelete(token: Token): void {
    if (this.sents.some((sent) => this.covers(sent, token))) return
    const { id, userId, deviceType, grantedAt, idTime } = token
    const { now } = this.#options.timeline
    throw new Violation('a user was logged out by accident', {
      ...{ id, userId, deviceType },
      grantedSecondsAgo: (now - grantedAt) / 1000,
      idTime,
      signals: this.sents.filter((sent) => this.usersOf(sent.signal.user).some((user) => user.id === userId))
        .length,
    })
  }

  /** Checks what is stored under each acknowledged id after a change. */
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
        throw new Violation('a verified revocation became unverified', summaryOf(revocation))
    }
  }

  /** The signals that a revocation covers. */
  sentsOf(revocation: Revocation): Sent[] {
    return this.sents.filter(({ revocations }) => revocations.has(revocation.id))
  }

  /** Other revocations may have taken over a signal. */
  #follow({ id, revocations }: Sent, stored: ReadonlyMap<string, Revocation | null>): void {
    if (id !== null) revocations.add(id)
    for (const one of revocations) {
      const { id: leader = one, supersededBy } = stored.get(one) ?? {}
      revocations.add(leader)
      if (supersededBy) revocations.add(supersededBy)
    }
  }

  /** The users that a name actually means; none if that is uncertain. */
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

  /** Whether a signal covers a token, so that it may be deleted now. */
  covers(sent: Sent, token: Token): boolean {
    const { signal, settledAt } = sent
    if (!this.usersOf(signal.user).some(({ id }) => id === token.userId)) return false
    if (signal.deviceType !== null && signal.deviceType !== token.deviceType) return false
    // Tokens granted after it was settled do not belong to it.
    if (settledAt !== null && token.grantedAt > settledAt) return false
    if (this.#isExempt(sent) || token.epoch !== sent.epoch) return true
    const isOwn = token.userId === BOT.id
    if (!isOwn && (signal.scope === 'all' || token.idTime === null)) return true
    if (token.idTime === null) return false
    return token.idTime <= this.#latestInScope(sent, isOwn)
  }

  /** The latest grant time, in the tenant's time, of a token that may be revoked. */
  #latestInScope(sent: Sent, isOwn: boolean): number {
    const { timeline, tenant } = this.#options
    const lost = this.#isLinkLost(sent) ? sent.signal.occurredAt : Number.NEGATIVE_INFINITY
    const certain = Math.max(sent.tenantTime, lost) + (isOwn ? 0 : LEEWAY_MS)
    const mayBeWide = sent.unsureMs === null || sent.unsureMs > LEEWAY_MS
    const isSecurity = this.sents.some(
      ({ revocations, signal }) =>
        signal.reason === 'security' && [...revocations].some((id) => sent.revocations.has(id)),
    )
    // A security signal revokes undecided tokens.
    return isSecurity && mayBeWide && !isOwn ? tenant.toTenantTime(timeline.now) : certain
  }

  /** Whether nothing links the clock of the accepting process to any other; see docs/clocks.md. */
  #isLinkLost({ process, clockChanges, unsureMs, isLinked }: Sent): boolean {
    const { isClockLocal, clockChangesOf } = this.#options
    if (unsureMs !== null && unsureMs <= LEEWAY_MS) return false
    if (!isClockLocal) return !isLinked
    return process.clock.isDead || clockChangesOf(process) !== clockChanges
  }

  /** Whether the tenant's clock was set in between, so that times before and after cannot be compared. */
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
      throw new Violation('completed although tokens remain', summaryOf(revocation))
    if (undecided > tokens.kept && status === 'completed')
      throw new Violation('more tokens are undecided than kept', summaryOf(revocation))
  }

  /** The stored interval must contain the true instant. */
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
      if (users.length === 0) throw new Violation('verified for an unknown user', summaryOf(revocation))
      if (this.#isExempt(sent) || this.#wasRoleChanged(revocation)) continue
      for (const { id } of users) {
        const alive = this.#options.tenant
          .aliveOf(id)
          .filter((token) => this.#mustBeGone(token, sent, revocation))
        if (alive.length > 0)
          throw new Violation('verified although tokens are alive', {
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

  /**
   * Whether the client's role was withdrawn or restored so shortly before the listing that Curfew may not have
   * noticed.
   */
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
