import { z } from 'zod'
import { AccessTokenText } from '../access-token.ts'

/**
 * Qlik's answers, as far as Curfew reads them. Unknown members are let through; a member that is missing or of
 * another type makes the answer unreadable. The sources are the OpenAPI documents at
 * https://qlik.dev/apis/rest/oauth-tokens, …/users and https://qlik.dev/authenticate/oauth.
 */

/** An id that goes into a path: bounded, and not one of the segments that a URL parser would take away. */
const PathId = z
  .string()
  .min(1)
  .max(512)
  .refine((id) => id !== '.' && id !== '..')

const OptionalText = z.string().nullish().catch(null)

/** RFC 6749, appendix A.4. What is not of that form grants nothing that is known. */
const GrantedScope = z
  .string()
  .regex(/^[\x20-\x7e]{0,1024}$/)
  .nullish()
  .catch('')

export const AccessTokenAnswer = z.looseObject({
  access_token: AccessTokenText,
  scope: GrantedScope,
  expires_in: z.number().positive().nullish().catch(null),
  expires_at: z.string().nullish().catch(null),
})

const Link = z.looseObject({ href: z.string().max(8_192) }).nullish()

export const TokensAnswer = z.looseObject({
  data: z
    .array(
      z.looseObject({
        id: PathId,
        userId: z.string(),
        deviceType: OptionalText,
        lastUsed: OptionalText,
        description: OptionalText,
        clientId: OptionalText,
      }),
    )
    .max(1_000),
  links: z.looseObject({ next: Link }).nullish(),
})

/** Roles are told by name; `roles` is the older member (strings), `assignedRoles` the newer one (objects). */
const Roles = z.array(z.string()).nullish().catch(null)
const AssignedRoles = z
  .array(z.looseObject({ name: z.string() }))
  .nullish()
  .catch(null)

export const OwnUserAnswer = z.looseObject({ id: PathId, roles: Roles, assignedRoles: AssignedRoles })

export const UserAnswer = z.looseObject({ id: z.string() })

export const UsersAnswer = z.looseObject({
  data: z
    .array(z.looseObject({ id: PathId, subject: z.string().nullish(), email: z.string().nullish() }))
    .max(1_000),
  links: z.looseObject({ next: Link }).nullish(),
})

const ErrorCode = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/)

/**
 * The code of the first error, where it is one, or OAuth's own (RFC 6749, section 5.2): the rest of an error answer may
 * repeat what was sent.
 */
export const ErrorAnswer = z.union([
  z
    .looseObject({ errors: z.tuple([z.looseObject({ code: ErrorCode })], z.unknown()) })
    .transform(({ errors }) => errors[0].code),
  z.looseObject({ error: ErrorCode }).transform(({ error }) => error),
])
