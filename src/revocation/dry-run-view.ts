import { z } from 'zod'
import { RevocationView } from './revocation-view.ts'
import type { Decision } from './scope.ts'

/** Every reason that `decideToken` knows. */
const Why = z.enum([
  'every-token',
  'granted-before',
  'granted-after',
  'other-device-type',
  'undecided',
  'no-grant-time',
] satisfies Decision['why'][])

/** A token in a dry-run result. */
const TokenView = z.object({
  id: z.string(),
  deviceType: z.string().nullable(),
  description: z.string().nullable(),
  clientId: z.string().nullable(),
  lastUsed: z.string().nullable(),
  why: Why.describe('Why the token would be revoked or kept'),
})

/**
 * The state of a signal's user in the tenant.
 * - `exists`: the user exists, so an empty list of tokens means that there are none
 * - `none-visible`: no user or token is found, and the OAuth client is not proven to see those of other users
 * - `no-such-user`: no user has this Qlik user id
 * - `no-matching-user`: no user has this e-mail address or subject
 * - `ambiguous`: several users match, and not all exactly; the revocation would fail with CURFEW_AMBIGUOUS_USER
 * - `own-user`: the name resolves to Curfew's own user; the revocation would fail with CURFEW_OWN_USER
 */
export const Finding = z.enum([
  'exists',
  'none-visible',
  'no-such-user',
  'no-matching-user',
  'ambiguous',
  'own-user',
])
export type Finding = z.infer<typeof Finding>

/** Dry-run result for one user. */
export const DryRunView = RevocationView.pick({
  tenant: true,
  reason: true,
  scope: true,
  deviceType: true,
  occurredAt: true,
})
  .extend({
    user: RevocationView.shape.user.extend({
      resolved: z.array(z.string()).describe('The Qlik user ids whose tokens are listed here'),
    }),
    finding: Finding.describe(
      'State of the user in the tenant; only with `exists` does an empty list mean that there are no tokens',
    ),
    tokens: z.array(TokenView).describe('Tokens that would be revoked now'),
    kept: z.array(TokenView).describe('Tokens that would be kept'),
    truncated: z.boolean().describe('Whether the user has more tokens than listed here'),
  })
  .meta({ id: 'DryRun', description: 'What a signal would do to the tokens of one user now' })
export type DryRunView = z.infer<typeof DryRunView>
