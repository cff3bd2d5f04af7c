import { invalidMember } from '../base/errors.ts'
import type { SessionSource } from '../revocation/session.ts'
import { mayUse, type TenantNames } from '../revocation/tenant-bounds.ts'
import type { SourceKind } from './kinds.ts'
import type { Sources } from './sources.ts'

/** The kinds whose tokens may name a session (`sid`) and no user: what sessions are noted for. */
const KINDS = ['oidc-back-channel-logout'] as const satisfies readonly SourceKind[]

/** The sources that name sessions, as they are configured now. */
export class SessionSources {
  readonly #sources: Pick<Sources, 'ofKind'>
  readonly #tenants: TenantNames

  constructor(sources: Pick<Sources, 'ofKind'>, tenants: TenantNames) {
    this.#sources = sources
    this.#tenants = tenants
  }

  /** A source that is proven, in a tenant that it may speak for. */
  of(source: string, tenant: string): SessionSource {
    const names = this.#namesIn(tenant)
    return { tenant, source, isOnly: names.length === 1 && names[0] === source }
  }

  /**
   * The source that a sender means, in a tenant that the sender may name: where none is named, the tenant's only one. One of
   * another tenant is as unknown as one that does not exist.
   * @param member where it is named, for the error
   * @throws CURFEW_REQUEST_INVALID
   */
  named(named: string | undefined, tenant: string, member: string): SessionSource {
    const names = this.#namesIn(tenant)
    const isOnly = names.length === 1
    const source = named ?? (isOnly ? names[0] : undefined)
    if (source !== undefined && names.includes(source)) return { tenant, source, isOnly }
    const wanted = `of kind ${KINDS.join(' or ')} and of this tenant`
    const isNone = named === undefined && names.length === 0
    throw invalidMember(
      member,
      isNone ? `expected a source ${wanted}: none is configured` : `expected the name of a source ${wanted}`,
    )
  }

  /** Those that may speak for a tenant: always, or where they say so themselves. */
  #namesIn(tenant: string): string[] {
    const [defaultTenant] = this.#tenants.names()
    return KINDS.flatMap((kind) => this.#sources.ofKind(kind))
      .filter(({ config: { tenant: own = defaultTenant, tenantFrom, tenants } }) =>
        tenantFrom === undefined ? own === tenant : mayUse({ tenants: tenants ?? null }, tenant),
      )
      .map(({ config }) => config.name)
  }
}
