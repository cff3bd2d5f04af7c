import { z } from 'zod'
import { SecureAddress } from '../../base/config-forms.ts'
import { Reason, UserKind } from '../../revocation/signal.ts'
import { isTemplate, membersOf } from './template.ts'

export const Template = z
  .string()
  .max(1_024)
  .refine(isTemplate, 'expected a text with members in braces, as {sub}, {iss}|{sub} or {/data/user_id}')

/**
 * The members that entries of all kinds have: who the source is, whom it may speak for, and how it names users.
 * @param known the members that templates may name, if the kind knows all of them
 */
export function commonMembers(known?: readonly string[]) {
  const template = known ? templateOf(known) : Template
  return {
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected lower case letters, digits and hyphens, 63 at most')
      .describe('Its name in the path, and in metrics'),
    tenant: z.string().optional().describe('The tenant it speaks for; the default one if left out'),
    tenantFrom: template.optional().describe('Template of the tenant, if the source names it, as {org_id}'),
    tenants: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('With tenantFrom: the tenants it may name; all if left out'),
    user: z
      .strictObject({
        as: UserKind.describe('How Qlik identifies the user'),
        from: template
          .optional()
          .describe("Template of the user's identifier, as {iss}|{sub}; the default of the kind if left out"),
      })
      .optional()
      .describe('How its subject becomes a Qlik user'),
    reason: Reason.optional().describe('Why its sessions end; the default of the kind if left out'),
  }
}

/** A template of these members only: a misspelt one would reject every signal of the source. */
function templateOf(known: readonly string[]) {
  const isKnown = (text: string) => membersOf(text).every((member) => known.includes(member))
  return Template.refine(isKnown, {
    error: `expected only members that there can be: ${known.join(', ')}`,
    when: ({ value }) => typeof value === 'string' && isTemplate(value),
  })
}

export const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

/** What an entry says of an issuer whose tokens prove it. */
export const ISSUER = {
  issuer: z.string().min(1).max(1_024).describe('`iss` of its tokens, to the letter'),
  audience: z
    .union(
      [z.string().min(1), z.array(z.string().min(1)).min(1).max(20)],
      'expected a text, or 1 to 20 of them',
    )
    .describe('`aud` of its tokens: your client id, or what it was told; one of these'),
  jwksUri: SecureAddress.optional().describe(
    "Where its keys are; found by the issuer's discovery when left out",
  ),
  algorithms: z
    .array(z.enum(ASYMMETRIC))
    .min(1)
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe('Algorithms that its signatures may have'),
}

const Common = z.strictObject(commonMembers())
export type CommonConfig = z.infer<typeof Common>
const Issuer = z.strictObject(ISSUER)
export type IssuerConfig = z.infer<typeof Issuer>
