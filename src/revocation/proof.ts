import { z } from 'zod'

/**
 * What shows that the OAuth client sees the tokens that were listed, the strongest first.
 * - `own-user`: they are those of the client's own user, which every client sees
 * - `tenant-admin`: the client's user has the role TenantAdmin, and the granted scope includes admin_classic
 * - `others-seen`: tokens of another user were listed with an access token of the same grant
 * - `not-reported`: Qlik names no roles, and no token of another user was seen
 */
export const ROLES = ['own-user', 'tenant-admin', 'others-seen', 'not-reported'] as const
export const Role = z.enum(ROLES)
export type Role = z.infer<typeof Role>

/** The evidence of the last listing of a user's tokens: what was listed, by whom, and how. */
export const Proof = z.object({
  /** When the listing began, by Curfew's wall clock; ms since the epoch. */
  at: z.number().int(),
  /** How many pages it had; of several Qlik users of one name, the most. */
  pages: z.number().int().min(1),
  /** How many listings in a row, this one included, showed the same tokens. */
  listings: z.number().int().min(1),
  /** Id of the OAuth client. */
  client: z.string(),
  /** The scope that Qlik granted to the access token that listed. */
  scope: z.string(),
  role: Role,
  /** Whether the tenant is known to have the user: an unknown id has an empty list, too. */
  userExists: z.boolean(),
})
export type Proof = z.infer<typeof Proof>

export interface ProofContext {
  /** Kept tokens that may have been granted before the signal, as far as the clocks show. */
  undecided: number
  /** Whether the listing began when the tenant's clock was certainly past the signal's leeway. */
  isConfirmed: boolean
}

/**
 * Whether a listing without a token in scope proves that every token in scope is gone: the one rule that `verified`
 * follows. Its truth table is in docs/proof.md.
 */
export function provesGone(proof: Proof | null, { undecided, isConfirmed }: ProofContext): boolean {
  if (proof === null || undecided > 0 || !isConfirmed) return false
  return proof.userExists && proof.role !== 'not-reported' && isStable(proof)
}

/**
 * Whether the pages of a listing fit together. When a token is deleted, by whomever, those behind it can move to a page
 * that was read already. Then the next listing lacks a token that this one showed: two in a row that show the same have
 * missed none.
 */
export function isStable({ pages, listings }: Pick<Proof, 'pages' | 'listings'>): boolean {
  return pages === 1 || listings >= 2
}

/** The weakest of several roles: a name can belong to several Qlik users. */
export function weakestRole(roles: readonly Role[]): Role {
  return ROLES.findLast((role) => roles.includes(role)) ?? 'not-reported'
}
