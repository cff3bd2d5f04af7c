import type { Clock } from '../base/clock.ts'
import { elapsedMs, type Moment, momentOf } from '../base/moment.ts'
import type { ClientPower, Evidence, Power } from '../revocation/qlik-tenant.ts'
import type { OwnUser } from './client.ts'

const ADMIN_ROLE = 'TenantAdmin'
/** Without it an access token has the power of a plain user, whatever roles its user has. */
const ADMIN_SCOPE = 'admin_classic'

const POWER_OF: Record<Evidence, Power> = {
  'tenant-admin': 'proven',
  'others-seen': 'proven',
  'scope-too-narrow': 'lacking',
  'role-missing': 'lacking',
  'not-reported': 'unknown',
}

/** How long a finding is trusted. A missing role is looked for again soon: somebody may be assigning it. */
const TRUSTED_FOR_MS: Record<Power, number> = { proven: 60 * 60_000, unknown: 5 * 60_000, lacking: 30_000 }
/**
 * Each look at a narrow scope takes a new access token: a Tier 2 call, and Qlik bounds the number of tokens. So looks
 * become rarer, down to one in five minutes.
 */
const LONGEST_NARROW_MS = 5 * 60_000

export interface Observations {
  /** The names of the roles of the client's bot user, or null where Qlik does not report them. */
  roles: string[] | null
  /** The scope that was granted (RFC 6749, section 3.3): words separated by spaces. */
  scope: string
  /** Whether the client has seen a token of another user with an access token of this scope. */
  sawOthers: boolean
}

/** Whether the client can do its job: a client that cannot gets empty lists, not errors. */
export function judgePower({ roles, scope, sawOthers }: Observations): Evidence {
  const hasScope = scope.split(' ').includes(ADMIN_SCOPE)
  if (hasScope && roles?.includes(ADMIN_ROLE)) return 'tenant-admin'
  if (sawOthers) return 'others-seen'
  if (!hasScope) return 'scope-too-narrow'
  return roles === null ? 'not-reported' : 'role-missing'
}

/** What is known of a call that has been answered. */
export interface Asked {
  /** That of its access token. */
  scope: string
  /** When it was sent: what it shows may have changed while the answer was on its way. */
  askedAt: Moment
}

export interface PowerMonitorOptions {
  clock: Clock
  /** The client's own user. */
  ownUser: () => Promise<OwnUser & Asked>
  /** The owners of the tokens on the first page of a list without a filter. */
  visibleOwners: () => Promise<{ owners: Set<string> } & Asked>
  /** The scope of the latest access token; null before the first. */
  grantedScope: () => string | null
  /** Makes the next call ask for a new access token. */
  renewGrant: () => void
  /** Called when the finding has changed. */
  onChange: (power: ClientPower) => void
}

type Finding = ClientPower & Pick<Asked, 'askedAt'>

/** What is known of the client's power, looked up again when it has become old or an access token has another scope. */
export class PowerMonitor {
  readonly #options: PowerMonitorOptions
  #known: Finding | null = null
  #checking: Promise<Finding> | null = null
  /** How many looks in a row found the scope too narrow. */
  #narrowLooks = 0
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(options: PowerMonitorOptions) {
    this.#options = options
  }

  /** The last finding, or null before the first. */
  get known(): ClientPower | null {
    return this.#known
  }

  /**
   * The client's power, looked up when it has become old. When that fails, what was known goes on to be used:
   * revoking must not stop for it. Rejects when nothing is known, or nothing as new as `knownForMs` asks for.
   */
  async get(knownForMs = Number.POSITIVE_INFINITY): Promise<ClientPower> {
    const now = momentOf(this.#options.clock)
    const known = this.#current()
    if (known && this.#ageOf(known) < this.#trustedForMs(known, knownForMs)) return known
    try {
      const found = await this.#checkOnce()
      // It was under way already, and asked too long ago. A missing power is not depended on.
      const isOld = found.power !== 'lacking' && isOlder(found.askedAt, now, knownForMs)
      return isOld ? await this.#checkOnce() : found
    } catch (error) {
      if (!known || knownForMs !== Number.POSITIVE_INFINITY) throw error
      return known
    }
  }

  /** The client was shown tokens of these users. */
  noteOwners(owners: Set<string>, asked: Asked): void {
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

  /** The last finding, unless the access token has another scope now. */
  #current(): Finding | null {
    const scope = this.#options.grantedScope()
    return this.#known && (scope === null || this.#known.scope === scope) ? this.#known : null
  }

  #trustedForMs({ power, evidence }: Finding, knownForMs: number): number {
    if (evidence === 'scope-too-narrow') return this.#narrowForMs()
    return Math.min(knownForMs, TRUSTED_FOR_MS[power])
  }

  #narrowForMs(): number {
    return Math.min(TRUSTED_FOR_MS.lacking * 2 ** (this.#narrowLooks - 1), LONGEST_NARROW_MS)
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

  /** The scope may have been widened in the meantime; an access token never is. */
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
    // What was asked earlier does not replace what was asked later, unless it says that the power is missing.
    if (before?.scope === scope && before.askedAt.monotonic > askedAt.monotonic && power !== 'lacking')
      return before
    this.#narrowLooks = evidence === 'scope-too-narrow' ? this.#narrowLooks + 1 : 0
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

function hasOther(owners: Set<string>, ownUserId: string): boolean {
  return [...owners].some((owner) => owner !== ownUserId)
}
