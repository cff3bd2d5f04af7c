import { TOKEN_KIND_NAMES } from './token-kinds.ts'
import { TOKEN } from './transmitter.ts'
import { VENDORS, type Vendor } from './vendors.ts'

/** `aud` of the tokens of the sandbox's identity provider. */
export const AUDIENCE = 'curfew-sandbox'
/** Name of the source that polls. */
export const POLLED = 'shared-signals-poll'

/** The secret of a vendor's source, in the vendor's form. */
export function secretOf({ kind }: Pick<Vendor, 'kind'>, secret: string): string {
  return kind === 'supabase' ? `v1,${secret}` : secret
}

/**
 * The `sources` of CONFIG_FILE that accept the sandbox's identity provider: one per kind, named after it, and one that
 * polls.
 */
export function sourceEntries(issuer: string, secret: string): Record<string, unknown>[] {
  const issued = { issuer, audience: AUDIENCE }
  return [
    ...TOKEN_KIND_NAMES.map((kind) => ({ name: kind, kind, ...issued })),
    { name: POLLED, kind: 'shared-signals', ...issued, transmitter: { delivery: 'poll', token: TOKEN } },
    ...VENDORS.map((vendor) => ({
      name: vendor.kind,
      kind: vendor.kind,
      secret: secretOf(vendor, secret),
      ...vendor.entry,
    })),
  ]
}
