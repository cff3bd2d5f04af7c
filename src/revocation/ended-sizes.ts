import type { Revocation } from './revocation.ts'

/** Enough for a mean. When so many have ended, each of them counts half from then on. */
const REMEMBERED = 2_000

/** The number of tokens of users whose revocation has ended, by tenant. */
export class EndedSizes {
  readonly #byTenant = new Map<string, { users: number; sizes: Map<number, number> }>()

  note({ tenant, tokens }: Pick<Revocation, 'tenant' | 'tokens'>): void {
    const known = this.#byTenant.get(tenant) ?? { users: 0, sizes: new Map<number, number>() }
    const size = tokens.revoked + tokens.alreadyGone + tokens.remaining
    known.sizes.set(size, (known.sizes.get(size) ?? 0) + 1)
    known.users += 1
    if (known.users >= REMEMBERED) {
      known.users /= 2
      for (const [size, count] of known.sizes) known.sizes.set(size, count / 2)
    }
    this.#byTenant.set(tenant, known)
  }

  /** Number of users by number of tokens; fractions if some count for less. */
  of(tenant: string): ReadonlyMap<number, number> {
    return this.#byTenant.get(tenant)?.sizes ?? NONE
  }
}

const NONE: ReadonlyMap<number, number> = new Map()
