import type { Clock } from '../clock.ts'
import type { ClientPower, Power } from '../revocation/qlik-tenant.ts'
import type { OwnUser } from './client.ts'

const ADMIN_ROLE = 'TenantAdmin'

/** How long a finding is trusted. A missing role is looked for again soon: somebody may be assigning it. */
const TRUSTED_FOR_MS: Record<Power, number> = { proven: 60 * 60_000, unknown: 5 * 60_000, lacking: 30_000 }

export interface Evidence {
  /** The names of the roles of the client's bot user, or null where Qlik does not tell them. */
  roles: string[] | null
  /** Whether the client has seen or revoked a token of another user. */
  sawOthers: boolean
}

/** Whether the client can do its job. See the design, "Empty because powerless". */
export function judgePower({ roles, sawOthers }: Evidence): Power {
  if (sawOthers || roles?.includes(ADMIN_ROLE)) return 'proven'
  return roles === null ? 'unknown' : 'lacking'
}

export interface PowerMonitorOptions {
  clock: Clock
  ownUser: () => Promise<OwnUser>
  /** The owners of the tokens on the first page of a list without a filter. */
  visibleOwners: () => Promise<Set<string>>
  /** Told when the finding has changed. */
  onChange: (power: Power) => void
}

interface Finding extends ClientPower {
  /** When it was found; monotonic ms. */
  at: number
}

/** What is known of the client's power, looked up again when it has become old. */
export class PowerMonitor {
  readonly #options: PowerMonitorOptions
  #known: Finding | null = null
  #checking: Promise<ClientPower> | null = null

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
  async get(knownForMs?: number): Promise<ClientPower> {
    const known = this.#known
    const age = known ? this.#options.clock.monotonic() - known.at : 0
    if (known && age < Math.min(knownForMs ?? Number.POSITIVE_INFINITY, TRUSTED_FOR_MS[known.power]))
      return known
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null
    })
    try {
      return await this.#checking
    } catch (error) {
      if (!known || knownForMs !== undefined) throw error
      return known
    }
  }

  /** The client was shown tokens of these users. */
  noteOwners(owners: Set<string>): void {
    const known = this.#known
    if (!known) return
    if ([...owners].some((owner) => owner !== known.ownUserId)) this.#keep(known.ownUserId, 'proven')
  }

  async #check(): Promise<ClientPower> {
    const { id, roles } = await this.#options.ownUser()
    const byRoles = judgePower({ roles, sawOthers: false })
    if (byRoles === 'proven') return this.#keep(id, byRoles)
    const owners = await this.#options.visibleOwners()
    return this.#keep(id, judgePower({ roles, sawOthers: [...owners].some((owner) => owner !== id) }))
  }

  #keep(ownUserId: string, power: Power): ClientPower {
    const before = this.#known?.power
    this.#known = { ownUserId, power, at: this.#options.clock.monotonic() }
    if (before !== power) this.#options.onChange(power)
    return this.#known
  }
}
