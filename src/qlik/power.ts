import type { Clock } from '../clock.ts'
import type { ClientPower, Power } from '../revocation/qlik-tenant.ts'

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

export interface PowerOptions {
  clock: Clock
  ownUser: () => Promise<{ id: string; roles: string[] | null }>
  /** The owners of the tokens on the first page of a list without a filter. */
  visibleOwners: () => Promise<Set<string>>
  /** Told when the finding has changed. */
  onChange: (power: Power) => void
}

/** What is known of the client's power, looked up again when it has become old. */
export class PowerMonitor {
  readonly #options: PowerOptions
  #known: (ClientPower & { until: number }) | null = null
  #checking: Promise<ClientPower> | null = null

  constructor(options: PowerOptions) {
    this.#options = options
  }

  /** The last finding, or null before the first. */
  get known(): ClientPower | null {
    return this.#known
  }

  /** The client's power, looked up if need be; rejects when that fails and nothing is known. */
  async get(): Promise<ClientPower> {
    const known = this.#known
    if (known && this.#options.clock.monotonic() < known.until) return known
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null
    })
    return this.#checking
  }

  /** The client was shown tokens of these users. */
  noteOwners(owners: Set<string>): void {
    const known = this.#known
    if (!known || known.power === 'proven') return
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
    this.#known = { ownUserId, power, until: this.#options.clock.monotonic() + TRUSTED_FOR_MS[power] }
    if (before !== power) this.#options.onChange(power)
    return this.#known
  }
}
