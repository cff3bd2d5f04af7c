import type { Clock } from '../base/clock.ts'
import { elapsedMs, type Moment, momentOf } from '../base/moment.ts'
import type { ClientPower, Evidence, Power } from '../revocation/qlik-tenant.ts'
import type { OwnUser } from './client.ts'

const ADMIN_ROLE = 'TenantAdmin'
/** Without this scope, an access token has the power of a plain user, regardless of its user's roles. */
const ADMIN_SCOPE = 'admin_classic'

const POWER_OF: Record<Evidence, Power> = {
  'tenant-admin': 'proven',
  'others-seen': 'proven',
  'scope-too-narrow': 'lacking',
  'role-missing': 'lacking',
  'not-reported': 'unknown',
}

/** How long a finding is trusted. A missing role is rechecked soon, because it may be being assigned. */
const TRUSTED_FOR_MS: Record<Power, number> = { proven: 60 * 60_000, unknown: 5 * 60_000, lacking: 30_000 }
/**
 * Each recheck of a narrow scope takes a new access token: a Tier 2 call, and Qlik limits the number of tokens. So
 * rechecks become rarer, by default down to one in five minutes.
 */
const LONGEST_NARROW_MS = 5 * 60_000

export interface Observations {
  /** Role names of the client's bot user, or null if Qlik does not report them. */
  roles: string[] | null
  /** The granted scope (RFC 6749, section 3.3): words separated by spaces. */
  scope: string
  /** Whether the client saw a token of another user with an access token of this scope. */
  sawOthers: boolean
}

/** Determines whether the client can see other users' tokens. A client that cannot gets empty lists, not errors. */
export function judgePower({ roles, scope, sawOthers }: Observations): Evidence {
  const hasScope = scope.split(' ').includes(ADMIN_SCOPE)
  if (hasScope && roles?.includes(ADMIN_ROLE)) return 'tenant-admin'
  if (sawOthers) return 'others-seen'
  if (!hasScope) return 'scope-too-narrow'
  // An empty list of roles counts as reported. Only a tenant that reports none at all leaves the role open.
  return roles === null ? 'not-reported' : 'role-missing'
}

/** Context of a call with a response. */
export interface Asked {
  /** The scope of its access token. */
  scope: string
  /** When it was sent: the state may have changed before the response arrived. */
  askedAt: Moment
}

export interface PowerMonitorOptions {
  clock: Clock
  /** The client's own user. */
  ownUser: () => Promise<OwnUser & Asked>
  /** The owners of the tokens on the first page of an unfiltered list. */
  visibleOwners: () => Promise<{ owners: Iterable<string> } & Asked>
  /** The scope of the latest access token; null before the first. */
  grantedScope: () => string | null
  /** Makes the next call request a new access token. */
  renewGrant: () => void
  /** Longest time between two checks of a scope that is too narrow. */
  longestNarrowMs?: number | undefined
  /** Called when the finding has changed. */
  onChange: (power: OwnPower) => void
}

/** A finding about one client. */
export type OwnPower = Omit<ClientPower, 'client' | 'ownUserIds'>

type Finding = OwnPower & Pick<Asked, 'askedAt'>

/**
 * Tracks the client's power. Looks it up again when the finding is old, or when an access token has a different
 * scope.
 */
export class PowerMonitor {
  readonly #options: PowerMonitorOptions
  #known: Finding | null = null
  #checking: Promise<Finding> | null = null
  /** Number of consecutive checks that found the scope too narrow. */
  #narrowChecks = 0
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(options: PowerMonitorOptions) {
    this.#options = options
  }

  /** The last finding, or null before the first check. */
  get known(): OwnPower | null {
    return this.#known
  }

  /**
   * The client's power, looked up again if the finding is old. If that fails, the previous finding remains in use, so
   * that revoking does not stop. Rejects if there is no finding, or none as recent as `maxAgeMs` requires.
   */
  async get(maxAgeMs = Number.POSITIVE_INFINITY): Promise<OwnPower> {
    const now = momentOf(this.#options.clock)
    const known = this.#current()
    if (known && this.#ageOf(known) < this.#trustedForMs(known, maxAgeMs)) return known
    try {
      const found = await this.#checkOnce()
      // The shared check was sent too long ago. A lacking power needs no fresh check.
      const isOld = found.power !== 'lacking' && isOlder(found.askedAt, now, maxAgeMs)
      return isOld ? await this.#checkOnce() : found
    } catch (error) {
      if (!known || maxAgeMs !== Number.POSITIVE_INFINITY) throw error
      return known
    }
  }

  /** Records that the client saw tokens of these users. */
  noteOwners(owners: Iterable<string>, asked: Asked): void {
    const known = this.#current()
    if (known?.scope !== asked.scope) return
    if (hasOther(owners, known.ownUserId)) this.#keep(known.ownUserId, 'others-seen', asked)
  }

  #checkOnce(): Promise<Finding> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null
    })
    return this.#checking
  }

  /** The last finding, unless the current access token has a different scope. */
  #current(): Finding | null {
    const scope = this.#options.grantedScope()
    return this.#known && (scope === null || this.#known.scope === scope) ? this.#known : null
  }

  #trustedForMs({ power, evidence }: Finding, maxAgeMs: number): number {
    if (evidence === 'scope-too-narrow') return this.#narrowForMs()
    return Math.min(maxAgeMs, TRUSTED_FOR_MS[power])
  }

  #narrowForMs(): number {
    const { longestNarrowMs = LONGEST_NARROW_MS } = this.#options
    return Math.min(TRUSTED_FOR_MS.lacking * 2 ** (this.#narrowChecks - 1), longestNarrowMs)
  }

  async #check(): Promise<Finding> {
    this.#renewIfNarrow()
    const { id, roles, ...asked } = await this.#options.ownUser()
    const evidence = judgePower({ roles, scope: asked.scope, sawOthers: false })
    if (POWER_OF[evidence] === 'proven') return this.#keep(id, evidence, asked)
    const seen = await this.#options.visibleOwners()
    const observed = { roles, scope: seen.scope, sawOthers: hasOther(seen.owners, id) }
    return this.#keep(id, judgePower(observed), { scope: seen.scope, askedAt: asked.askedAt })
  }

  /** The scope may have been widened in the meantime; an existing access token keeps its own. */
  #renewIfNarrow(): void {
    const now = this.#options.clock.monotonic()
    if (this.#current()?.evidence !== 'scope-too-narrow' || now - this.#renewedAt < this.#narrowForMs())
      return
    this.#renewedAt = now
    this.#options.renewGrant()
  }

  #keep(ownUserId: string, evidence: Evidence, { scope, askedAt }: Asked): Finding {
    const before = this.#known
    const power = POWER_OF[evidence]
    // An older request does not override a newer one, unless it shows that the power is lacking.
    if (before?.scope === scope && before.askedAt.monotonic > askedAt.monotonic && power !== 'lacking')
      return before
    this.#narrowChecks = evidence === 'scope-too-narrow' ? this.#narrowChecks + 1 : 0
    this.#known = { ownUserId, power, evidence, scope, askedAt }
    if (before?.power !== power || (power !== 'proven' && before.evidence !== evidence)) {
      this.#options.onChange(this.#known)
    }
    return this.#known
  }

  #ageOf({ askedAt }: Finding): number {
    return elapsedMs(this.#options.clock, askedAt)
  }
}

/** Whether one moment is more than `ms` before another, by either clock. */
function isOlder(one: Moment, other: Moment, ms: number): boolean {
  return other.monotonic - one.monotonic > ms || other.wall - one.wall > ms
}

function hasOther(owners: Iterable<string>, ownUserId: string): boolean {
  return [...owners].some((owner) => owner !== ownUserId)
}
