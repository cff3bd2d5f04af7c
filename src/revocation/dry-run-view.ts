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

/** One token as a dry run shows it. */
const TokenView = z.object({
  id: z.string(),
  deviceType: z.string().nullable(),
  description: z.string().nullable(),
  clientId: z.string().nullable(),
  lastUsed: z.string().nullable(),
  why: Why.describe('Why it would be revoked, or kept'),
})

/**
 * What a signal's user is in the tenant.
 * - `exists`: the user exists, so that an empty list of tokens means that there are none
 * - `none-visible`: no token is listed, and it is not proven that the OAuth client can see tokens of other users
 * - `no-such-user`: no user has this Qlik user id
 * - `no-matching-user`: no user has this e-mail address or subject
 * - `ambiguous`: several users match, and not all exactly; the revocation would fail with CURFEW_AMBIGUOUS_USER
 * - `own-user`: the name leads to Curfew's own user; the revocation would fail with CURFEW_OWN_USER
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

/** What a dry run reports of one user. */
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
    finding: Finding.describe('What the user is in the tenant; only `exists` makes an empty list a fact'),
    tokens: z.array(TokenView).describe('What would be revoked now'),
    kept: z.array(TokenView).describe('What would be kept'),
    truncated: z.boolean().describe('Whether the user has more tokens than are listed here'),
  })
  .meta({ id: 'DryRun', description: 'What a signal would do now to the tokens of one user' })
export type DryRunView = z.infer<typeof DryRunView>
