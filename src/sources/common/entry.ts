import { z } from 'zod'
import { SecureAddress } from '../../base/config-formats.ts'
import { Reason, UserKind } from '../../revocation/signal.ts'
import { isTemplate, membersOf } from './template.ts'

export const Template = z
  .string()
  .max(1_024)
  .refine(isTemplate, 'expected text with members in braces, such as {sub}, {iss}|{sub} or {/data/user_id}')

/**
 * The members that entries of all kinds share: the source's name, its tenants, and how it identifies users.
 * @param known the members that templates may name, if the kind knows all of them
 */
export function commonMembers(known?: readonly string[]) {
  const template = known ? templateOf(known) : Template
  return {
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected up to 63 lower case letters, digits and hyphens')
      .describe('Name of the source, in its path and in metrics'),
    tenant: z.string().optional().describe('Tenant of its signals; by default the first tenant'),
    tenantFrom: template
      .optional()
      .describe('Template of the tenant name, if the source names the tenant, such as {org_id}'),
    tenants: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('With tenantFrom: the tenants it may name; all by default'),
    user: z
      .strictObject({
        as: UserKind.describe('How Qlik identifies the user'),
        from: template
          .optional()
          .describe(
            "Template of the user's identifier, such as {iss}|{sub}; the default depends on the kind",
          ),
      })
      .optional()
      .describe('How a subject maps to a Qlik user'),
    reason: Reason.optional().describe('Why its sessions end; the default depends on the kind'),
    massRevocation: z
      .boolean()
      .optional()
      .describe('Exempts it from the brake on mass revocation (MASS_REVOCATION_USERS); false by default'),
  }
}

/** A template that names only these members. With a misspelt member, every signal of the source would be rejected. */
function templateOf(known: readonly string[]) {
  const isKnown = (text: string) => membersOf(text).every((member) => known.includes(member))
  return Template.refine(isKnown, {
    error: `expected only these members: ${known.join(', ')}`,
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

/** The members of entries whose tokens are signed by an issuer. */
export const ISSUER = {
  issuer: z.string().min(1).max(1_024).describe('The exact `iss` of its tokens'),
  audience: z
    .union(
      [z.string().min(1), z.array(z.string().min(1)).min(1).max(20)],
      'expected a string, or a list of 1 to 20 strings',
    )
    .describe(
      '`aud` of its tokens: your client id, or the value configured at the issuer; a token must contain one of these',
    ),
  jwksUri: SecureAddress.optional().describe(
    "Address of its keys; by default found by the issuer's discovery document",
  ),
  algorithms: z
    .array(z.enum(ASYMMETRIC))
    .min(1)
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe('Signature algorithms to accept'),
}

const Common = z.strictObject(commonMembers())
export type CommonConfig = z.infer<typeof Common>
const Issuer = z.strictObject(ISSUER)
export type IssuerConfig = z.infer<typeof Issuer>
