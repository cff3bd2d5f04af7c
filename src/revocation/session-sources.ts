import { invalidMember } from '../base/errors.ts'
import type { SourceEntry } from '../base/source-entry.ts'
import type { SessionSource } from './session.ts'
import { mayUse, type TenantNames } from './tenant-bounds.ts'

/** The configured sources whose tokens may name a session (`sid`) and no user. Sessions are recorded for them. */
export class SessionSources {
  readonly #entries: () => readonly SourceEntry[]
  readonly #tenants: TenantNames

  /** @param entries the entries of these sources, at the time of each call */
  constructor(entries: () => readonly SourceEntry[], tenants: TenantNames) {
    this.#entries = entries
    this.#tenants = tenants
  }

  /** An authenticated source, in a tenant that it may act for. */
  of(source: string, tenant: string): SessionSource {
    const names = this.#namesIn(tenant)
    return { tenant, source, isOnly: names.length === 1 && names[0] === source }
  }

  /**
   * The source that a sender names, in a tenant that the sender may name; by default the only one of the tenant. A source of
   * another tenant is as unknown as one that does not exist.
   * @param member the member that names it, for the error
   * @throws CURFEW_REQUEST_INVALID
   */
  named(named: string | undefined, tenant: string, member: string): SessionSource {
    const names = this.#namesIn(tenant)
    const isOnly = names.length === 1
    const source = named ?? (isOnly ? names[0] : undefined)
    if (source !== undefined && names.includes(source)) return { tenant, source, isOnly }
    const wanted = 'whose tokens name sessions (oidc-back-channel-logout), in this tenant'
    const isNone = named === undefined && names.length === 0
    throw invalidMember(
      member,
      isNone ? `expected a source ${wanted}: none is configured` : `expected the name of a source ${wanted}`,
    )
  }

  /** The names of the sources that may act for a tenant. */
  #namesIn(tenant: string): string[] {
    const [defaultTenant] = this.#tenants.names()
    return this.#entries()
      .filter(({ tenant: own = defaultTenant, tenantFrom, tenants }) =>
        tenantFrom === undefined ? own === tenant : mayUse({ tenants: tenants ?? null }, tenant),
      )
      .map(({ name }) => name)
  }
}
