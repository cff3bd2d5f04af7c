import { z } from 'zod'

/**
 * Evidence that the OAuth client sees the listed tokens, strongest first.
 * - `own-user`: the tokens belong to the client's own user, which every client sees
 * - `tenant-admin`: the client's user has the role TenantAdmin, and the granted scope includes admin_classic
 * - `others-seen`: tokens of another user were listed with an access token of the same grant
 * - `not-reported`: Qlik reports no roles, and no token of another user was seen
 */
export const ROLES = ['own-user', 'tenant-admin', 'others-seen', 'not-reported'] as const
export const Role = z.enum(ROLES)
export type Role = z.infer<typeof Role>

/** Evidence from the last listing of a user's tokens: what was listed, by which client, and how. */
export const Proof = z.object({
  /** When the listing began, by Curfew's wall clock; ms since the epoch. */
  at: z.number().int(),
  /** Number of pages; if the name matches several Qlik users, the highest. */
  pages: z.number().int().min(1),
  /** Number of consecutive listings, this one included, that showed the same tokens. */
  listings: z.number().int().min(1),
  /** Id of the OAuth client. */
  client: z.string(),
  /** The scope that Qlik granted to the access token used for the listing. */
  scope: z.string(),
  role: Role,
  /** Whether the tenant is known to have the user: the list for an unknown id is empty, too. */
  userExists: z.boolean(),
})
export type Proof = z.infer<typeof Proof>

export interface ProofContext {
  /** Number of kept tokens that may have been granted before the signal, as far as the clocks show. */
  undecided: number
  /** Whether the listing began when the tenant's clock was certainly past the signal's leeway. */
  isConfirmed: boolean
}

/**
 * Whether a listing without a token in scope proves that all tokens in scope are gone. This is the only rule behind
 * `verified`; docs/proof.md has its truth table.
 */
export function provesGone(proof: Proof | null, { undecided, isConfirmed }: ProofContext): boolean {
  if (proof === null || undecided > 0 || !isConfirmed) return false
  return proof.userExists && proof.role !== 'not-reported' && isStable(proof)
}

/**
 * Whether the pages of a listing are consistent. When a token is deleted, by Curfew or another client, those behind
 * it can move to a page that was already read. The next listing then lacks a token that this one showed, so two equal
 * listings in a row have missed none.
 */
export function isStable({ pages, listings }: Pick<Proof, 'pages' | 'listings'>): boolean {
  return pages === 1 || listings >= 2
}

/** The weakest of several roles: one name can match several Qlik users. */
export function weakestRole(roles: readonly Role[]): Role {
  return ROLES.findLast((role) => roles.includes(role)) ?? 'not-reported'
}
